// From an argument vector to a command with its values.
//
// Rules: a flag may stand after its command and among its arguments, a global one also before it; everything
// after `--` is left alone. `-name web`, `--name web`, `--name=web` and `-n web`, `-nweb`, `-ab` all work: a
// token with one dash that is a whole long name is that flag (the Go program's way), before it is taken for
// bundled short ones. Values are converted, and what the table says of flags that go together is checked,
// when the whole line is understood. Throws Code::kInvalidArgument with a hint; never touches anything.
#ifndef KNALLER_CLI_PARSE_H_
#define KNALLER_CLI_PARSE_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/spec.h"
#include "knaller/error.h"

namespace knaller::cli {

struct Invocation {
  // A flag's value as it was written, and what its converter made of it.
  struct Given {
    std::string text;
    Value value;
  };

  const Command* command = nullptr;  // nullptr: only with `help` or `version`
  std::string called;                // the command's words as they were written: "snapshot delete"
  bool help = false;
  bool version = false;
  std::map<std::string, std::vector<Given>, std::less<>> values;  // by canonical flag name
  std::set<std::string, std::less<>> off;  // switches that were given as --switch=false
  std::vector<std::string> arguments;
  std::vector<std::string> tail;  // after `--`, or the command of exec
  bool has_tail = false;

  // Reading a flag that the command's rows do not have is kInternal: a mistake in the program.
  bool has(std::string_view flag) const;
  // A switch's last value; nothing when it was not given.
  std::optional<bool> is_on(std::string_view flag) const;
  // The last value given. T is what the flag's converter makes (values.h); text() is short for strings, and
  // is empty when the flag was not given.
  template <typename T>
  std::optional<T> get(std::string_view flag) const {
    const std::vector<Given>* given = find(flag);
    if (given == nullptr) return std::nullopt;
    return std::get<T>(given->back().value);
  }
  std::string text(std::string_view flag) const { return get<std::string>(flag).value_or(""); }
  template <typename T>
  std::vector<T> all(std::string_view flag) const {
    std::vector<T> values_given;
    if (const std::vector<Given>* given = find(flag))
      for (const Given& one : *given) values_given.push_back(std::get<T>(one.value));
    return values_given;
  }
  // The last value as it was written.
  std::optional<std::string> written(std::string_view flag) const;
  // Whether the command has this flag: for what several commands share.
  bool knows(std::string_view flag) const;

 private:
  const std::vector<Given>* find(std::string_view flag) const;
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
