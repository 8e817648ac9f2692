#include "cli/output.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"

namespace knaller::cli {

Output::Output(bool json, bool quiet)
    : json_(json), quiet_(quiet), out_(look_at(STDOUT_FILENO)), err_(look_at(STDERR_FILENO)) {}

void Output::result(std::string_view line) {
  raw(std::string(line) + "\n");
}

void Output::raw(std::string_view text) {
  const std::lock_guard lock(mutex_);
  write_all(STDOUT_FILENO, text, "standard output");
}

void Output::document(Json members) {
  members["schema"] = kJsonSchema;
  raw(dump_json(members, 2) + "\n");
}

void Output::note(std::string_view line) {
  if (!json_ && !quiet_) draw(std::string(line) + "\n");
}

void Output::warning(std::string_view line) {
  if (!json_) draw(styled(err_, Style::kYellow, "warning:") + " " + std::string(line) + "\n");
}

void Output::error(const Error& error) {
  if (!json_) return draw(render_error(error, err_));
  if (!error_printed_) draw(render_error_json(error));
  error_printed_ = true;
}

void Output::draw(std::string_view text) {
  const std::lock_guard lock(mutex_);
  try {
    write_all(STDERR_FILENO, text, "standard error");
  } catch (const Error&) {
    // Nobody can be told that nobody can be told.
  }
}

std::string render_error(const Error& error, const Stream& stream) {
  std::string text = styled(stream, Style::kRed, "error:") + " " + printable_lines(error.what()) + "\n";
  if (!error.hint().empty())
    text += styled(stream, Style::kBold, "hint:") + " " + printable_lines(error.hint()) + "\n";
  return text;
}

std::string render_error_json(const Error& error) {
  return dump_json(Json{{"error", error_to_json(error)}}) + "\n";
}

}  // namespace knaller::cli
