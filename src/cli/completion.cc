#include "cli/completion.h"

#include <algorithm>

#include "base/text.h"

namespace knaller::cli {
namespace {

// Walks over what is typed, without an opinion on mistakes in it.
class Walker {
 public:
  explicit Walker(const std::vector<std::string>& words) : words_(words) {}

  Expectation walk() {
    if (words_.empty()) return out_;
    out_.prefix = words_.back();
    for (size_t at = 0; at + 1 < words_.size(); ++at) take(words_[at]);
    if (value_of_ != nullptr) {
      expect_value(*value_of_);
    } else if (!tail_) {
      expect_word();
    }
    return out_;
  }

 private:
  void take(const std::string& word) {
    if (tail_) return;
    if (value_of_ != nullptr) {
      if (value_of_->name == "home") out_.home = word;
      value_of_ = nullptr;
      return;
    }
    if (word == "--") {
      tail_ = true;
    } else if (word.size() > 1 && word[0] == '-') {
      take_flag(word);
    } else if (command_ == nullptr) {
      take_command_word(word);
    } else {
      ++arguments_;
      if (command_->tail == Tail::kAfterFirstName && arguments_ > 1) tail_ = true;
    }
  }

  void take_flag(const std::string& word) {
    const size_t dashes = word[1] == '-' ? 2 : 1;
    const size_t equals = word.find('=');
    const std::string name = word.substr(dashes, equals == std::string::npos ? equals : equals - dashes);
    const Flag* flag = find_flag(command_, name);
    if (flag == nullptr && dashes == 1) flag = find_flag(command_, word.back());
    if (flag == nullptr || flag->value.empty()) return;
    if (equals == std::string::npos) {
      value_of_ = flag;
    } else if (flag->name == "home") {
      out_.home = word.substr(equals + 1);
    }
  }

  void take_command_word(const std::string& word) {
    const std::string path = group_.empty() ? word : group_ + " " + word;
    if (group_.empty() && find_group(word) != nullptr) {
      group_ = word;
    } else {
      command_ = find_command(path);
      tail_ = command_ == nullptr;  // not understood: nothing is offered
    }
  }

  void expect_word() {
    const std::string& typed = out_.prefix;
    const size_t equals = typed.find('=');
    if (typed.starts_with("--") && equals != std::string::npos) {
      const Flag* flag = find_flag(command_, typed.substr(2, equals - 2));
      if (flag == nullptr || flag->value.empty()) return;
      out_.in_front = typed.substr(0, equals + 1);
      out_.prefix = typed.substr(equals + 1);
      return expect_value(*flag);
    }
    if (typed.starts_with('-')) return expect_flags();
    if (command_ == nullptr) return expect_commands();
    expect_argument();
  }

  void expect_flags() {
    if (command_ == nullptr && group_ == "snapshot") command_ = find_command("snapshot");
    if (command_ != nullptr) add_flags(command_->flags);
    add_flags(global_flags());
  }

  void add_flags(const std::vector<Flag>& flags) {
    for (const Flag& flag : flags)
      if (!flag.help.empty()) out_.fixed.push_back({"--" + std::string(flag.name), std::string(flag.help)});
  }

  void expect_commands() {
    const Family* const group = find_group(group_);
    for (const Command* command : commands()) {
      if (command->summary.empty()) continue;
      const size_t space = command->path.find(' ');
      if (group == nullptr && space == std::string_view::npos)
        out_.fixed.push_back({std::string(command->path), std::string(command->summary)});
      if (group != nullptr && command->path.starts_with(std::string(group->word) + " "))
        out_.fixed.push_back({std::string(command->path.substr(space + 1)), std::string(command->summary)});
    }
    if (group != nullptr) return;
    for (const Family& family : families())
      if (!family.word.empty()) out_.fixed.push_back({std::string(family.word), std::string(family.summary)});
  }

  void expect_argument() {
    if (command_->most >= 0 && arguments_ >= static_cast<size_t>(command_->most)) return;
    if (command_->names == Names::kCommand) {
      expect_commands();
    } else if (command_->names == Names::kWords) {
      for (const std::string_view word : split(command_->arguments, '|'))
        out_.fixed.push_back({std::string(word), ""});
    } else {
      out_.names = command_->names;
    }
  }

  void expect_value(const Flag& flag) {
    const bool words = flag.names == Names::kWords || flag.names == Names::kWordsOrFile;
    out_.names = flag.names == Names::kWordsOrFile ? Names::kFile : words ? Names::kNothing : flag.names;
    if (!words) return;
    for (const std::string_view word : split(flag.words, ' ')) out_.fixed.push_back({std::string(word), ""});
  }

  const std::vector<std::string>& words_;
  Expectation out_;
  const Command* command_ = nullptr;
  std::string group_;
  const Flag* value_of_ = nullptr;
  size_t arguments_ = 0;
  bool tail_ = false;
};

// The shells' side: hand the words to `knaller __complete`, show what comes back.

// COMP_WORDS is split at ':' and '=', too; so the words are cut out of the line, and what stands in front of
// the last of these characters is taken off the answers.
constexpr std::string_view kBash = R"bash(# bash completion for knaller; source <(knaller completion bash)
_knaller() {
  local line="${COMP_LINE:0:COMP_POINT}" cur="" answer word
  local -a words
  read -ra words <<<"$line"
  if [[ "$line" == *[[:space:]] ]]; then words+=(""); fi
  cur="${words[-1]}"
  COMPREPLY=()
  local front="${cur%"${cur##*[:=]}"}"
  while IFS=$'\t' read -r answer _; do
    case "$answer" in
      :files)
        compopt -o filenames 2>/dev/null
        while read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${cur#"$front"}")
        ;;
      :directories)
        compopt -o filenames 2>/dev/null
        while read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "${cur#"$front"}")
        ;;
      *:) compopt -o nospace 2>/dev/null; COMPREPLY+=("${answer#"$front"}") ;;
      ?*) COMPREPLY+=("${answer#"$front"}") ;;
    esac
  done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _knaller knaller
)bash";

constexpr std::string_view kZsh = R"zsh(#compdef knaller
# zsh completion for knaller; put it as _knaller into a directory of $fpath
_knaller() {
  local line word description
  local -a candidates asked
  local -i files=0 directories=0
  asked=("${(@)words[2,CURRENT]}")
  while IFS= read -r line; do
    case "$line" in
      :files) files=1 ;;
      :directories) directories=1 ;;
      *)
        word="${line%%$'\t'*}"
        description="${line#*$'\t'}"
        candidates+=("${word//:/\\:}:${description}")
        ;;
    esac
  done < <("${words[1]}" __complete -- "${asked[@]}" 2>/dev/null)
  (( ${#candidates} )) && _describe knaller candidates
  (( files )) && _files
  (( directories )) && _files -/
  return 0
}
if [[ "$funcstack[1]" = _knaller ]]; then
  _knaller "$@"
else
  compdef _knaller knaller
fi
)zsh";

constexpr std::string_view kFish =
    R"fish(# fish completion for knaller; ~/.config/fish/completions/knaller.fish
function __knaller_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files :directories
                __fish_complete_path "$current"
            case '*'
                echo $line
        end
    end
end
complete -c knaller -f -a '(__knaller_complete)'
)fish";

}  // namespace

Expectation expected_after(const std::vector<std::string>& words) {
  return Walker(words).walk();
}

std::string completion_lines(const Expectation& expectation, const std::vector<Candidate>& names) {
  std::string out;
  for (const auto* candidates : {&expectation.fixed, &names})
    for (const Candidate& candidate : *candidates)
      if (candidate.word.starts_with(expectation.prefix))
        out +=
            expectation.in_front + printable(candidate.word) + "\t" + printable(candidate.description) + "\n";
  if (expectation.names == Names::kFile || expectation.names == Names::kVmOrFile) out += ":files\n";
  if (expectation.names == Names::kDirectory) out += ":directories\n";
  return out;
}

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh);
  if (shell == "fish") return std::string(kFish);
  return {};
}

}  // namespace knaller::cli
