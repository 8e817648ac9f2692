// What the command line consists of, as data: every command, flag, argument and example, once.
//
// The parser, the dispatcher, `--help`, the man pages and shell completion are all made from these tables, so
// they cannot disagree: a command's row has its handler, a flag's row its converter, what it goes together
// with, and the setting that stands in for it. Plain constants: safe to read from any thread, nothing here
// fails.
#ifndef KNALLER_CLI_SPEC_H_
#define KNALLER_CLI_SPEC_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/values.h"

namespace knaller::cli {

class Context;
class Output;
struct Invocation;

// What a value or an argument names: decides what the shell offers for it.
enum class Names {
  kNothing,
  kVm,
  kSnapshot,
  kImage,
  kFile,
  kDirectory,
  kCommand,
  kVmOrFile,
  kWords,
  kWordsOrFile,
};

struct Flag {
  std::string_view name;   // without its dashes
  char letter = 0;         // its short form, 0: none
  std::string_view value;  // what its value is called in the help; empty: a switch
  std::string_view help;   // empty: works, but is not shown (spellings of the Go program)
  Names names = Names::kNothing;
  std::string_view words;      // the values there are, separated by spaces
  std::string_view canonical;  // this is another spelling of that flag
  bool repeated = false;
  Converter convert = as_text;  // of the value
  int64_t least = 0;            // with as_count and the like
  int64_t most = 0;
  std::string_view setting;    // the key of the configuration file that stands in for it
  bool creates = false;        // configures a new VM: not for an existing one
  std::string_view only_with;  // needs one of these flags, separated by spaces
  std::string_view not_with;   // excludes these flags
  std::string_view why;        // the hint, when it stands where it must not
};

// What may follow the flags.
enum class Tail {
  kNone,
  kAfterDashes,     // `-- CMD…` only
  kAfterFirstName,  // `NAME CMD…`, `--` optional
};

struct Example {
  std::string_view command;
  std::string_view text;
};

// exec and run: knaller itself failed, so that no code of the command's own is taken.
inline constexpr int kExecFailed = 125;

struct Command {
  std::string_view path;  // "snapshot create"
  std::vector<std::string_view> aliases;
  std::string_view summary;    // one line; empty: hidden
  std::string_view arguments;  // "[NAME…]" as shown in the usage line
  std::string_view description;
  std::vector<Flag> flags;
  std::vector<Example> examples;
  Names names = Names::kNothing;  // of the arguments
  int least = 0;
  int most = 0;  // -1: any number
  Tail tail = Tail::kNone;
  // What runs it: one of the two. They return the exit code and throw knaller::Error.
  int (*run)(Context& context) = nullptr;
  int (*plain)(const Invocation& args, Output& out) = nullptr;  // needs neither settings nor a home
  int failure_code = 0;  // of every failure of knaller's own; 0: each kind has its own
};

// Commands that help shows under one heading. With a `word` they are a group: words that need a second one.
struct Family {
  std::string_view title;
  std::string_view word;
  std::string_view plural;   // taken for the word, too
  std::string_view summary;  // of the word
  std::vector<Command> commands;
};

// In the order of the help.
const std::vector<Family>& families();
const std::vector<const Command*>& commands();
const std::vector<Flag>& global_flags();

struct VariableRow {
  std::string_view name;
  std::string_view meaning;
};
const std::vector<VariableRow>& environment_rows();

// The command of exactly that path or alias; nullptr when there is none.
const Command* find_command(std::string_view path);
// The group of that word or plural ("snapshot", "images"); nullptr when it is not one.
const Family* find_group(std::string_view word);
// The flag of that long name among the command's and the global ones; nullptr when there is none.
const Flag* find_flag(const Command* command, std::string_view name);
const Flag* find_flag(const Command* command, char letter);
// The flag for which the configuration key of each name stands in.
const std::vector<const Flag*>& settings_rows();

// The tables, by topic (spec_*.cc).
std::vector<Command> vm_commands();
Command start_command();
Command run_command();
std::vector<Command> watch_commands();
std::vector<Command> inside_commands();
std::vector<Command> snapshot_commands();
std::vector<Command> snapshot_file_commands();
Command rollback_command();
std::vector<Command> image_commands();
std::vector<Command> store_commands();
std::vector<Command> other_commands();
// Flags of several commands.
Flag name_flag();
Flag capture_flag();
Flag max_pause_flag(std::string_view help);
Flag wait_timeout_flag();
Flag no_wait_flag();
std::vector<Flag> egress_flags();
std::vector<Flag> limit_flags();
std::vector<Flag> engine_flags();

}  // namespace knaller::cli

#endif  // KNALLER_CLI_SPEC_H_
