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
    if (group_.empty() && is_group(word)) {
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
    for (const Command& command : commands()) {
      if (command.summary.empty()) continue;
      const size_t space = command.path.find(' ');
      if (group_.empty() && space == std::string_view::npos)
        out_.fixed.push_back({std::string(command.path), std::string(command.summary)});
      if (!group_.empty() && command.path.starts_with(group_ + " "))
        out_.fixed.push_back({std::string(command.path.substr(space + 1)), std::string(command.summary)});
    }
    if (!group_.empty()) return;
    out_.fixed.push_back({"snapshot", "Take, list and remove snapshots"});
    out_.fixed.push_back({"image", "Build, list and remove images"});
    out_.fixed.push_back({"store", "Measure and check knaller's home"});
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
    out_.names = flag.names;
    if (flag.names != Names::kWords) return;
    out_.names = flag.name == "engine" ? Names::kFile : Names::kNothing;
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

}  // namespace knaller::cli
