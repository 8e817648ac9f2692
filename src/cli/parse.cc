#include "cli/parse.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace knaller::cli {
namespace {

[[noreturn]] void usage(const Command* command, std::string message, std::string hint = {}) {
  if (hint.empty()) hint = fmt::format("see `{}`", help_hint(command));
  throw Error(Code::kInvalidArgument, std::move(message), std::move(hint));
}

std::vector<std::string> flag_names(const Command* command) {
  std::vector<std::string> names;
  for (const auto* flags : {command == nullptr ? nullptr : &command->flags, &global_flags()}) {
    if (flags == nullptr) continue;
    for (const Flag& flag : *flags) names.emplace_back(flag.name);
  }
  return names;
}

class Parser {
 public:
  explicit Parser(const std::vector<std::string>& tokens) : tokens_(tokens) {}

  void run(Invocation& out) {
    out_ = &out;
    take_command();
    while (out.command != nullptr && next_ < tokens_.size() && !out.has_tail) take_token();
    if (out.help || out.version) return;
    check_count();
    convert_values();
    for (const auto& [name, given] : out.values) check_company(*find_flag(out.command, name));
  }

 private:
  bool is_flag(const std::string& token) const {
    return token.size() > 1 && token[0] == '-' && token != "--";
  }

  // Flags in front of the command, then the command's one or two words.
  void take_command() {
    while (next_ < tokens_.size() && is_flag(tokens_[next_])) take_flag(tokens_[next_++]);
    if (next_ == tokens_.size()) {
      if (out_->help || out_->version) return;
      usage(nullptr, "no command given");
    }
    std::string word = tokens_[next_++];
    const Family* group = find_group(word);
    if (group != nullptr && next_ < tokens_.size() && !is_flag(tokens_[next_])) {
      const std::string path = word + " " + tokens_[next_];
      if (find_command(path) == nullptr) unknown_subcommand(*group, tokens_[next_]);
      word = path;
      ++next_;
    }
    out_->command = find_command(word);
    out_->called = word;
    if (out_->command == nullptr && group != nullptr && next_ < tokens_.size() && is_flag(tokens_[next_]))
      take_flag(tokens_[next_++]);
    if (out_->command == nullptr && !out_->help) unknown_command(word);
  }

  [[noreturn]] void unknown_subcommand(const Family& group, const std::string& word) const {
    std::vector<std::string> known;
    for (const Command& command : group.commands)
      if (command.path.starts_with(std::string(group.word) + " "))
        known.emplace_back(command.path.substr(group.word.size() + 1));
    const std::string near = nearest(word, known);
    const std::string message = fmt::format("'{} {}' is not a command", group.word, printable(word));
    if (!near.empty())
      usage(nullptr, message, fmt::format("did you mean `knaller {} {}`?", group.word, near));
    const std::string create = group.word == "snapshot" ? "; `knaller snapshot create VM` takes one" : "";
    usage(nullptr, message, fmt::format("there are: {}{}", fmt::join(known, ", "), create));
  }

  [[noreturn]] void unknown_command(const std::string& word) const {
    if (find_group(word) != nullptr)
      usage(nullptr, fmt::format("'{}' needs a second word", word),
            fmt::format("see `knaller help {}`", word));
    std::vector<std::string> known;
    for (const Family& family : families())
      if (!family.word.empty()) known.emplace_back(family.word);
    for (const Command* command : commands())
      if (!command->summary.empty() && command->path.find(' ') == std::string_view::npos)
        known.emplace_back(command->path);
    const std::string near = nearest(word, known);
    if (!near.empty())
      usage(nullptr, fmt::format("'{}' is not a command", printable(word)),
            fmt::format("did you mean `knaller {}`?", near));
    usage(nullptr, fmt::format("'{}' is not a command", printable(word)),
          "`knaller help` lists the commands");
  }

  void take_token() {
    const std::string& token = tokens_[next_++];
    if (token == "--") {
      out_->has_tail = true;
      out_->tail.assign(tokens_.begin() + static_cast<long>(next_), tokens_.end());
      // Without a tail of its own, a command takes what follows as arguments: `knaller rm -- -odd`.
      if (out_->command->tail == Tail::kNone) {
        out_->arguments.insert(out_->arguments.end(), out_->tail.begin(), out_->tail.end());
        out_->tail.clear();
      }
      return;
    }
    if (is_flag(token)) return take_flag(token);
    if (out_->command->tail == Tail::kAfterFirstName && !out_->arguments.empty()) {
      out_->has_tail = true;
      out_->tail.assign(tokens_.begin() + static_cast<long>(next_) - 1, tokens_.end());
      return;
    }
    out_->arguments.push_back(token);
    // What follows is of a command whose dashes were forgotten: its flags are not ours to judge.
    const Command& command = *out_->command;
    if (command.tail == Tail::kAfterDashes && command.most >= 0 &&
        static_cast<int>(out_->arguments.size()) > command.most)
      missing_dashes(command);
  }

  // `run IMAGE CMD…` is docker's.
  [[noreturn]] void missing_dashes(const Command& command) const {
    const std::string& extra = out_->arguments.back();
    const std::string first = out_->arguments.size() > 1 ? out_->arguments.front() + " " : "";
    const std::string tail = fmt::format(
        "{} {}", extra, fmt::join(tokens_.begin() + static_cast<long>(next_), tokens_.end(), " "));
    std::string hint = fmt::format("put a command after two dashes: `knaller {} {}-- {}`", command.path,
                                   printable(first), printable(trim(tail)));
    if (command.path == "run")
      hint += fmt::format("; with '{0}' as the image: `knaller run --image {0} -- {1}`",
                          printable(out_->arguments.front()), printable(trim(tail)));
    usage(&command, fmt::format("'{}' is one argument too many", printable(extra)), hint);
  }

  void take_flag(const std::string& token) {
    const size_t dashes = token[1] == '-' ? 2 : 1;
    const size_t equals = token.find('=');
    const std::string name = token.substr(dashes, equals == std::string::npos ? equals : equals - dashes);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = token.substr(equals + 1);
    if (dashes == 2 || name.size() > 1) {
      if (const Flag* flag = find_flag(out_->command, name))
        return set(*flag, token.substr(0, dashes) + name, value);
    }
    if (dashes == 2) unknown_flag(token.substr(0, equals));
    take_bundle(token);
  }

  // "-abc": three switches, or a flag with its value behind it.
  void take_bundle(const std::string& token) {
    for (size_t at = 1; at < token.size(); ++at) {
      const Flag* flag = find_flag(out_->command, token[at]);
      if (flag == nullptr) unknown_flag(token.size() == 2 ? token : token.substr(0, token.find('=')));
      const std::string shown = fmt::format("-{}", token[at]);
      if (flag->value.empty()) {
        set(*flag, shown, {});
        continue;
      }
      std::optional<std::string> value;
      if (at + 1 < token.size()) value = token.substr(at + (token[at + 1] == '=' ? 2 : 1));
      return set(*flag, shown, value);
    }
  }

  [[noreturn]] void unknown_flag(const std::string& shown) const {
    const std::string bare = shown.substr(shown.find_first_not_of('-'));
    const std::string near = nearest(bare, flag_names(out_->command));
    const std::string message = fmt::format("unknown flag '{}'", printable(shown));
    if (!near.empty()) usage(out_->command, message, fmt::format("did you mean `--{}`?", near));
    usage(out_->command, message);
  }

  void set(const Flag& flag, const std::string& shown, std::optional<std::string> value) {
    const std::string key(flag.canonical.empty() ? flag.name : flag.canonical);
    if (flag.value.empty()) {
      const bool on = !value || is_true(shown, *value);
      out_->values.erase(key);
      out_->off.erase(key);
      if (on)
        out_->values[key] = {{"", {}}};
      else
        out_->off.insert(key);
      if (key == "help") out_->help = true;
      if (key == "version") out_->version = true;
      return;
    }
    if (!value) {
      if (next_ == tokens_.size())
        usage(out_->command, fmt::format("{} needs a value: {} {}", shown, shown, flag.value));
      value = tokens_[next_++];
    }
    out_->values[key].push_back({*value, {}});
  }

  // The Go program's switches take --detach=false.
  bool is_true(const std::string& shown, const std::string& value) const {
    if (value == "true" || value == "1" || value == "t") return true;
    if (value == "false" || value == "0" || value == "f") return false;
    usage(out_->command, fmt::format("{} is on or off and takes no value '{}'", shown, printable(value)));
  }

  void check_count() const {
    const Command& command = *out_->command;
    const auto count = static_cast<int>(out_->arguments.size());
    if (count < command.least) usage(&command, fmt::format("'{}' needs {}", command.path, command.arguments));
    if (command.most < 0 || count <= command.most) return;
    const std::string extra = printable(out_->arguments[static_cast<size_t>(command.most)]);
    if (const Family* group = find_group(command.path)) unknown_subcommand(*group, extra);
    usage(&command, fmt::format("'{}' is one argument too many for '{}'", extra, command.path));
  }

  void convert_values() const {
    for (auto& [name, given] : out_->values)
      if (const Flag& flag = *find_flag(out_->command, name); !flag.value.empty())
        for (Invocation::Given& one : given) convert_value(flag, one);
  }

  void convert_value(const Flag& flag, Invocation::Given& one) const {
    try {
      one.value = convert(flag, one.text, fmt::format("--{}", flag.name));
    } catch (Error& error) {
      if (error.hint().empty()) error.with_hint(fmt::format("see `{}`", help_hint(out_->command)));
      throw;
    }
  }

  bool is_given(std::string_view name) const { return out_->values.find(name) != out_->values.end(); }

  // What the flag's row says of other flags.
  void check_company(const Flag& flag) const {
    const std::string why(flag.why);
    for (const std::string_view other : words_of(flag.not_with))
      if (is_given(other))
        usage(out_->command, fmt::format("--{} and --{} can't be used together", flag.name, other), why);
    const auto wanted = words_of(flag.only_with);
    const auto given = [this](std::string_view name) { return is_given(name); };
    if (!wanted.empty() && std::none_of(wanted.begin(), wanted.end(), given))
      usage(out_->command, fmt::format("--{} works only with --{}", flag.name, fmt::join(wanted, " or --")),
            why);
  }

  static std::vector<std::string_view> words_of(std::string_view text) {
    return text.empty() ? std::vector<std::string_view>{} : split(text, ' ');
  }

  const std::vector<std::string>& tokens_;
  size_t next_ = 0;
  Invocation* out_ = nullptr;
};

}  // namespace

const std::vector<Invocation::Given>* Invocation::find(std::string_view flag) const {
  const auto found = values.find(flag);
  if (found != values.end()) return &found->second;
  if (knows(flag)) return nullptr;
  fail(Code::kInternal, "'{}' has no flag --{}", command == nullptr ? "knaller" : command->path, flag);
}

bool Invocation::knows(std::string_view flag) const {
  return find_flag(command, flag) != nullptr;
}

bool Invocation::has(std::string_view flag) const {
  return find(flag) != nullptr;
}

std::optional<bool> Invocation::is_on(std::string_view flag) const {
  if (has(flag)) return true;
  return off.contains(flag) ? std::optional(false) : std::nullopt;
}

std::optional<std::string> Invocation::written(std::string_view flag) const {
  const std::vector<Given>* given = find(flag);
  if (given == nullptr) return std::nullopt;
  return given->back().text;
}

ParseResult parse(const std::vector<std::string>& arguments) {
  ParseResult result;
  try {
    Parser(arguments).run(result.invocation);
  } catch (const Error& error) {
    result.error = error;
    // Even an error in front of it is shown as JSON.
    const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
    if (std::find(arguments.begin(), dashes, "--json") != dashes)
      result.invocation.values["json"] = {{"", {}}};
  }
  return result;
}

std::string help_hint(const Command* command) {
  if (command == nullptr || command->summary.empty()) return "knaller help";
  return fmt::format("knaller help {}", command->path);
}

}  // namespace knaller::cli
