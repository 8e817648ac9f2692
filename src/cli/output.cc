#include "cli/output.h"

#include <unistd.h>

#include <algorithm>

#include "base/characters.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"

namespace knaller::cli {
namespace {

constexpr size_t kMostOfALine = 80;

}  // namespace

Output::Output(bool json, bool quiet)
    : json_(json), quiet_(quiet), out_(look_at(STDOUT_FILENO)), err_(look_at(STDERR_FILENO)) {}

void Output::result(std::string_view line) {
  // Nobody else may ever say it: the id of what was made.
  in_context([&] { return fmt::format("print '{}'", printable(line.substr(0, kMostOfALine))); },
             [&] { raw((out_.terminal ? printable_lines(line) : std::string(line)) + "\n"); });
}

void Output::raw(std::string_view text) {
  const std::lock_guard lock(mutex_);
  write_all(STDOUT_FILENO, text, "standard output");
}

void Output::document(Json members) {
  members["schema"] = kJsonSchema;
  raw(json_text(members, 2) + "\n");
}

void Output::note(std::string_view line) {
  if (!json_ && !quiet_) draw(printable_lines(line) + "\n");
}

void Output::warning(std::string_view line) {
  if (!json_) draw(styled(err_, Style::kYellow, "warning:") + " " + printable_lines(line) + "\n");
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
  return json_text(Json{{"error", error_to_json(error)}}) + "\n";
}

// Whatever is not ASCII stands in a string, where an escape means the same. DEL, too.
std::string json_line(Json members) {
  members["schema"] = kJsonSchema;
  return json_text(members) + "\n";
}

std::string json_text(const Json& json, int indent) {
  const std::string text = dump_json(json, indent);
  std::string out;
  out.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view sequence = rest.substr(0, std::max<size_t>(utf8_length(rest), 1));
    rest.remove_prefix(sequence.size());
    if (sequence != "\n" && is_control(sequence))
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(code_point(sequence)));
    else
      out += sequence;
  }
  return out;
}

}  // namespace knaller::cli
