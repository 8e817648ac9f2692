// What a shell may offer at the end of a command line. The scripts only ask `knaller __complete -- WORD…` and
// show its answer, so that all rules are here. Pure.
#ifndef KNALLER_CLI_COMPLETION_H_
#define KNALLER_CLI_COMPLETION_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/spec.h"

namespace knaller::cli {

struct Candidate {
  std::string word;
  std::string description;
};

struct Expectation {
  std::vector<Candidate> fixed;     // commands, flags, words
  Names names = Names::kNothing;    // names of things that exist, or files
  std::string prefix;               // what was typed of the last word, after "--flag="
  std::string in_front;             // "--flag=", to be put in front of every candidate
  std::optional<std::string> home;  // of --home
};

// `words` without the program's name; the last one is being typed and may be empty.
Expectation expected_after(const std::vector<std::string>& words);

// The answer's lines: "word\tdescription" for what begins with the prefix; ":files" and ":directories" have
// the shell complete paths.
std::string completion_lines(const Expectation& expectation, const std::vector<Candidate>& names);

// "bash", "zsh", "fish"; empty for any other shell.
std::string completion_script(std::string_view shell);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_COMPLETION_H_
