// What the command line consists of, as data: every command, flag, argument and example, once.
//
// The parser, `--help`, the man pages and shell completion are all made from these tables, so they cannot
// disagree. Plain constants: safe to read from any thread, nothing here fails.
#ifndef KNALLER_CLI_SPEC_H_
#define KNALLER_CLI_SPEC_H_

#include <string>
#include <string_view>
#include <vector>

namespace knaller::cli {

// What a value or an argument names: decides what the shell offers for it.
enum class Names { kNothing, kVm, kSnapshot, kImage, kFile, kDirectory, kCommand, kVmOrFile, kWords };

struct Flag {
  std::string_view name;   // without its dashes
  char letter = 0;         // its short form, 0: none
  std::string_view value;  // what its value is called in the help; empty: a switch
  std::string_view help;   // empty: works, but is not shown (spellings of the Go program)
  Names names = Names::kNothing;
  std::string_view words;      // with Names::kWords: the values there are, separated by spaces
  std::string_view canonical;  // this is another spelling of that flag
  bool repeated = false;
};

// What may stand behind the flags.
enum class Tail {
  kNone,
  kAfterDashes,     // `-- CMD…` only
  kAfterFirstName,  // `NAME CMD…`, `--` optional
};

struct Example {
  std::string_view command;
  std::string_view text;
};

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
};

const std::vector<Command>& commands();
const std::vector<Flag>& global_flags();

struct ExitCodeRow {
  int code;
  std::string_view meaning;
};
const std::vector<ExitCodeRow>& exit_code_rows();

struct VariableRow {
  std::string_view name;
  std::string_view meaning;
};
const std::vector<VariableRow>& environment_rows();

// The command of exactly that path or alias; nullptr when there is none.
const Command* find_command(std::string_view path);
// "snapshot", "image" and "store": words that need a second one.
bool is_group(std::string_view word);
// The flag of that long name among the command's and the global ones; nullptr when there is none.
const Flag* find_flag(const Command* command, std::string_view name);
const Flag* find_flag(const Command* command, char letter);

// The tables, by topic (spec_*.cc).
std::vector<Command> vm_commands();
std::vector<Command> inside_commands();
std::vector<Command> store_commands();
std::vector<Command> snapshot_disk_commands();  // a part of these
Command rollback_command();                     // a part of vm_commands()
Flag capture_flag();                            // of commands that take a snapshot
std::vector<Flag> engine_flags();               // of commands that look for an engine
std::vector<Command> other_commands();

}  // namespace knaller::cli

#endif  // KNALLER_CLI_SPEC_H_
