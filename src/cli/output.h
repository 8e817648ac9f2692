// Where results and messages go: results to standard output, everything else to standard error.
//
// With --json exactly one document goes to standard output, and nothing but one error object to standard
// error. Messages may come from several threads. Writing to standard output that fails is Code::kIo.
#ifndef KNALLER_CLI_OUTPUT_H_
#define KNALLER_CLI_OUTPUT_H_

#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "cli/terminal.h"
#include "knaller/error.h"

namespace knaller::cli {

// The version of the documents that --json prints.
inline constexpr int kJsonSchema = 1;

class Output {
 public:
  Output(bool json, bool quiet);

  bool json() const { return json_; }
  bool quiet() const { return quiet_; }
  const Stream& out() const { return out_; }
  const Stream& err() const { return err_; }

  void result(std::string_view line);  // a line on standard output; printable where that is a terminal
  void raw(std::string_view text);     // as it stands on standard output
  // With "schema" added. An object.
  void document(nlohmann::json members);

  void note(std::string_view line);     // for people: not with --json or --quiet
  void warning(std::string_view line);  // not with --json
  // With --json only the first one is printed.
  void error(const Error& error);
  // To standard error as it stands; for progress.
  void draw(std::string_view text);

 private:
  std::mutex mutex_;
  bool json_;
  bool quiet_;
  bool error_printed_ = false;
  Stream out_;
  Stream err_;
};

// "error: start 'web': …\nhint: …\n", or the object that --json promises.
std::string render_error(const Error& error, const Stream& stream);
std::string render_error_json(const Error& error);
// An object in a line of its own, with "schema" added: for what comes bit by bit.
std::string json_line(nlohmann::json members);
// JSON as it may be shown on a terminal: what terminals obey is in it as \uXXXX.
std::string json_text(const nlohmann::json& json, int indent = -1);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_OUTPUT_H_
