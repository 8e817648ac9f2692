// From what a user wrote as the value of a flag, of a variable or in the configuration file, to a typed
// value.
//
// Each flag's row in the table (spec.h) names its converter and says what it allows. Converters throw
// kInvalidArgument (or kUnsupported, for what may be added some day) and say what is allowed; convert() puts
// in front where the text was written. Pure, but for as_file, which reads the working directory and HOME, and
// as_variable, which reads the environment.
#ifndef KNALLER_CLI_VALUES_H_
#define KNALLER_CLI_VALUES_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "knaller/types.h"

namespace knaller::cli {

struct Flag;

// "KEY=VALUE", or "KEY" alone where that is allowed.
struct Assignment {
  std::string key;
  std::optional<std::string> value;

  bool operator==(const Assignment&) const = default;
};

// Of `snapshot ls --filter`: `label=KEY[=VALUE]`, `vm=NAME`, `name=NAME`; in names, * and ? stand for
// anything.
struct SnapshotRule {
  enum class Kind { kLabel, kVm, kName };
  Kind kind = Kind::kLabel;
  Assignment wanted;  // the label, or a pattern as its key

  bool matches(const SnapshotInfo& snapshot) const;
};

// Of a list that may be empty: nothing is its word "none".
using RuleOrNone = std::optional<EgressRule>;

using Value = std::variant<std::string, int64_t, std::chrono::milliseconds, PortForward, RuleOrNone,
                           Assignment, SnapshotRule, Rate>;
using Converter = Value (*)(const Flag& flag, const std::string& text);

Value as_text(const Flag& flag, const std::string& text);    // std::string, as it stands
Value as_word(const Flag& flag, const std::string& text);    // std::string, one of the flag's words
Value as_file(const Flag& flag, const std::string& text);    // std::string, an absolute path; "~/" is known
Value as_engine(const Flag& flag, const std::string& text);  // std::string, one of the words or a path
Value as_count(const Flag& flag, const std::string& text);   // int64_t, from flag.least to flag.most
Value as_lines(const Flag& flag, const std::string& text);   // int64_t; -1 for "all"
Value as_milli_cpus(const Flag& flag, const std::string& text);  // int64_t, thousandths: "0.5" is 500
Value as_mebibytes(const Flag& flag, const std::string& text);   // int64_t, whole MiB, at least one
// Limits: "none" lifts one, and so does 0, except for memory, where it means what the VM needs.
Value as_bytes_a_second(const Flag& flag, const std::string& text);       // Rate, "20M" or "20M:60M"
Value as_operations_a_second(const Flag& flag, const std::string& text);  // Rate, "500" or "500:2000"
Value as_count_or_none(const Flag& flag, const std::string& text);        // int64_t, up to flag.most
Value as_memory_limit(const Flag& flag, const std::string& text);         // int64_t, MiB; -1: "none"
Value as_signal(const Flag& flag, const std::string& text);      // int64_t; "TERM", "SIGTERM" or "15"
Value as_time(const Flag& flag, const std::string& text);        // std::chrono::milliseconds
Value as_port(const Flag& flag, const std::string& text);        // PortForward
Value as_rule(const Flag& flag, const std::string& text);        // RuleOrNone
Value as_label(const Flag& flag, const std::string& text);       // Assignment with a value
Value as_label_rule(const Flag& flag, const std::string& text);  // Assignment
Value as_variable(const Flag& flag, const std::string& text);    // Assignment with a value, maybe from here
Value as_filter(const Flag& flag, const std::string& text);      // SnapshotRule

// The flag's converter; errors begin with `origin`: "--cpus", "KNALLER_CPUS", "/etc/config.toml:3".
Value convert(const Flag& flag, const std::string& text, const std::string& origin);

// A label as an argument, "KEY=VALUE".
Assignment label_of(const std::string& text);

// "~/x" with the home directory in front.
std::string expand_tilde(const std::string& path, const char* home);
// The same as an absolute path, without dots and doubled slashes.
std::string absolute_path(const std::string& path, const char* home);

// An argument of `cp`: PATH, or NAME:PATH in a VM.
struct CopyPath {
  std::string vm;  // empty: on this side
  std::string path;
};

// A colon that has a slash somewhere in front of it belongs to the path, as with scp. An empty path in a VM
// is the home directory there. Throws kInvalidArgument for an empty argument or name.
CopyPath parse_copy_path(std::string_view text);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_VALUES_H_
