// Commands that touch no VM.
#include "cli/spec.h"

namespace knaller::cli {

std::vector<Command> other_commands() {
  return {
      {.path = "doctor",
       .summary = "Check what this machine can do",
       .description =
           "One row a check: ✓ fine, ! works with a limit, ✗ does not work. Each row that is not fine "
           "comes with the command that mends it, where there is one. The exit code is 1 when a check "
           "failed.",
       .flags = engine_flags(),
       .examples = {{"knaller doctor", ""}}},
      {.path = "version", .summary = "Print the version"},
      {.path = "completion",
       .summary = "Print the completion script of a shell",
       .arguments = "bash|zsh|fish",
       .examples = {{"source <(knaller completion bash)", "bash, for this shell"},
                    {"knaller completion zsh > ~/.zfunc/_knaller", "zsh, with ~/.zfunc on $fpath"},
                    {"knaller completion fish > ~/.config/fish/completions/knaller.fish", "fish"}},
       .names = Names::kWords,
       .least = 1,
       .most = 1},
      {.path = "help",
       .summary = "Show the help of a command",
       .arguments = "[COMMAND]",
       .names = Names::kCommand,
       .most = 2},
      // What completion scripts ask, and what the build makes the man pages with.
      {.path = "__complete", .most = -1, .tail = Tail::kAfterDashes},
      {.path = "__man",
       .arguments = "[COMMAND | --all DIR]",
       .flags = {{.name = "all", .value = "DIR"}},
       .most = 2},
  };
}

}  // namespace knaller::cli
