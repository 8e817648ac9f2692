// From an argument vector to a command with its values.
//
// Rules: a flag may stand before or behind its command and among its arguments; everything after `--` is left
// alone. `-name web`, `--name web`, `--name=web` and `-n web`, `-nweb`, `-ab` all work: a token with one dash
// that is a whole long name is that flag (the Go program's way), before it is taken for bundled short ones.
// Throws Code::kInvalidArgument with a hint; never touches anything.
#ifndef KNALLER_CLI_PARSE_H_
#define KNALLER_CLI_PARSE_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/spec.h"
#include "knaller/error.h"

namespace knaller::cli {

struct Invocation {
  const Command* command = nullptr;  // nullptr: only with `help` or `version`
  std::string called;                // the command's words as they were written: "snapshot delete"
  bool help = false;
  bool version = false;
  std::map<std::string, std::vector<std::string>, std::less<>>
      values;  // by canonical flag name; "" for switches
  std::vector<std::string> arguments;
  std::vector<std::string> tail;  // after `--`, or the command of exec
  bool has_tail = false;

  bool has(std::string_view flag) const { return values.find(flag) != values.end(); }
  // The last value given.
  std::optional<std::string> value(std::string_view flag) const;
  std::vector<std::string> all(std::string_view flag) const;
};

// What is known as soon as an error is met: --json decides how that error is shown.
struct ParseResult {
  Invocation invocation;
  std::optional<Error> error;
};

ParseResult parse(const std::vector<std::string>& arguments);

// "knaller start --help", for hints.
std::string help_hint(const Command* command);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_PARSE_H_
