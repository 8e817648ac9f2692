#include "cli/values.h"

#include <fnmatch.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "cli/spec.h"
#include "knaller/manager.h"

namespace knaller::cli {
namespace {

constexpr int64_t kMebibyte = 1 << 20;
constexpr uint64_t kMostBytes = uint64_t{1} << 50;

[[noreturn]] void refuse(const std::string& text, std::string_view allowed, std::string hint = {}) {
  throw Error(Code::kInvalidArgument, fmt::format("'{}' is not {}", printable(text), allowed),
              std::move(hint));
}

bool is_one_of(std::string_view words, std::string_view text) {
  const auto all = split(words, ' ');
  return std::find(all.begin(), all.end(), text) != all.end();
}

std::string listed(std::string_view words) {
  return fmt::format("{}", fmt::join(split(words, ' '), ", "));
}

// "20M", "20M:60M": so much a second, and so much at once.
template <typename Parse>
Rate rate_of(const std::string& text, const Parse& parse, std::string_view what, const std::string& hint) {
  if (text == "none") return {};
  const std::string_view whole = text;
  const size_t colon = whole.find(':');
  const auto rate = parse(whole.substr(0, colon));
  if (!rate) refuse(text, what, hint);
  if (colon == std::string_view::npos) return {.per_second = *rate};
  const auto burst = parse(whole.substr(colon + 1));
  if (!burst || *burst == 0 || *rate == 0) refuse(text, what, hint);
  return {.per_second = *rate, .burst = *burst};
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && (name[0] < '0' || name[0] > '9') &&
         name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
             std::string_view::npos;
}

Assignment split_at_equals(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return {text, std::nullopt};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Assignment label_rule_of(const std::string& text) {
  if (text.find('=') != std::string::npos) return label_of(text);
  if (text.empty()) fail(Code::kInvalidArgument, "the key of a label is empty");
  return {text, std::nullopt};
}

}  // namespace

Value as_text(const Flag&, const std::string& text) {
  return text;
}

Value as_word(const Flag& flag, const std::string& text) {
  if (!is_one_of(flag.words, text)) refuse(text, fmt::format("one of {}", listed(flag.words)));
  return text;
}

Value as_file(const Flag&, const std::string& text) {
  return absolute_path(text, std::getenv("HOME"));
}

Value as_engine(const Flag& flag, const std::string& text) {
  if (!is_one_of(flag.words, text) && text.find('/') == std::string::npos)
    refuse(text, "an engine",
           fmt::format("there are: {}, or the path of a program (with a slash in it)", listed(flag.words)));
  return text;
}

Value as_count(const Flag& flag, const std::string& text) {
  const auto count = parse_integer(text, flag.least, flag.most);
  if (!count) refuse(text, fmt::format("a number from {} to {}", flag.least, flag.most));
  return *count;
}

Value as_lines(const Flag&, const std::string& text) {
  if (text == "all") return int64_t{-1};
  const auto count = parse_integer(text, 0, 1'000'000'000);
  if (!count) refuse(text, "a number of lines, or 'all'");
  return *count;
}

Value as_milli_cpus(const Flag& flag, const std::string& text) {
  std::string_view whole = text;
  std::string fraction;
  const auto wrong = [&] {
    refuse(text, "a number of CPUs (0.01 to 32)",
           "0.5 is one vCPU with half a processor's time, 1.5 are two vCPUs with one and a half");
  };
  if (const size_t point = whole.find('.'); point != std::string_view::npos) {
    fraction = whole.substr(point + 1);
    whole = whole.substr(0, point);
    while (fraction.size() > 3 && fraction.back() == '0') fraction.pop_back();
    if (fraction.empty() || fraction.size() > 3) wrong();
    fraction.resize(3, '0');
  }
  const auto count = parse_integer(whole, 0, flag.most / 1000);
  const auto thousandths = fraction.empty() ? 0 : parse_integer(fraction, 0, 999);
  if (!count || !thousandths) wrong();
  const int64_t milli = *count * 1000 + *thousandths;
  if (milli < flag.least || milli > flag.most) wrong();
  return milli;
}

Value as_mebibytes(const Flag&, const std::string& text) {
  const auto bytes = parse_size(text, kMebibyte);
  if (!bytes || *bytes == 0 || *bytes % kMebibyte != 0 || *bytes > kMostBytes)
    refuse(text, "a size in MiB, as in 1024 or 2G");
  return static_cast<int64_t>(*bytes / kMebibyte);
}

Value as_bytes_a_second(const Flag&, const std::string& text) {
  return rate_of(
      text, [](std::string_view size) { return parse_size(size, kMebibyte); }, "a size a second",
      "write 20M, or 20M:60M to let 60 MiB through at once after a rest; none lifts the limit");
}

Value as_operations_a_second(const Flag&, const std::string& text) {
  return rate_of(
      text,
      [](std::string_view number) -> std::optional<uint64_t> {
        const auto parsed = parse_integer(number, 0, static_cast<int64_t>(kMostBytes));
        return parsed ? std::optional(static_cast<uint64_t>(*parsed)) : std::nullopt;
      },
      "a number of operations a second",
      "write 500, or 500:2000 to let 2000 through at once after a rest; none lifts the limit");
}

Value as_count_or_none(const Flag& flag, const std::string& text) {
  if (text == "none") return int64_t{0};
  const auto count = parse_integer(text, 0, flag.most);
  if (!count) refuse(text, fmt::format("none or a number up to {}", flag.most));
  return *count;
}

Value as_memory_limit(const Flag&, const std::string& text) {
  if (text == "none") return int64_t{-1};
  const auto bytes = parse_size(text, kMebibyte);
  if (!bytes || *bytes % kMebibyte != 0 || *bytes > kMostBytes)
    refuse(text, "a size in MiB, as in 1500 or 2G", "0 is what a VM needs, none as much as it takes");
  return static_cast<int64_t>(*bytes / kMebibyte);
}

Value as_time(const Flag&, const std::string& text) {
  const auto time = parse_duration(text);
  if (!time) refuse(text, "a time, as in 30, 500ms, 2m or 7d");
  return *time;
}

Value as_port(const Flag&, const std::string& text) {
  return parse_port(text);
}

Value as_rule(const Flag&, const std::string& text) {
  if (text == "none") return RuleOrNone();
  return RuleOrNone(parse_egress_rule(text));
}

Value as_label(const Flag&, const std::string& text) {
  return label_of(text);
}

Value as_label_rule(const Flag&, const std::string& text) {
  return label_rule_of(text);
}

Value as_variable(const Flag&, const std::string& text) {
  Assignment variable = split_at_equals(text);
  if (!is_variable_name(variable.key)) refuse(text, "NAME=VALUE");
  if (variable.value) return variable;
  const char* const value = std::getenv(variable.key.c_str());
  if (value == nullptr) fail(Code::kInvalidArgument, "the variable '{}' is not set here", variable.key);
  variable.value = value;
  return variable;
}

Value as_filter(const Flag&, const std::string& text) {
  const auto [kind, rest] = split_at_equals(text);
  if (kind == "label") return SnapshotRule{SnapshotRule::Kind::kLabel, label_rule_of(rest.value_or(""))};
  if (kind == "vm") return SnapshotRule{SnapshotRule::Kind::kVm, {rest.value_or(""), {}}};
  if (kind == "name") return SnapshotRule{SnapshotRule::Kind::kName, {rest.value_or(""), {}}};
  refuse(text, "a filter", "there are: label=KEY, label=KEY=VALUE, vm=NAME, name=NAME");
}

bool SnapshotRule::matches(const SnapshotInfo& snapshot) const {
  if (kind == Kind::kLabel) {
    const auto found = snapshot.labels.find(wanted.key);
    return found != snapshot.labels.end() && (!wanted.value || *wanted.value == found->second);
  }
  const std::string& name = kind == Kind::kVm ? snapshot.vm_name : snapshot.name;
  return ::fnmatch(wanted.key.c_str(), name.c_str(), 0) == 0;
}

Value convert(const Flag& flag, const std::string& text, const std::string& origin) {
  try {
    return flag.convert(flag, text);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", origin, error.message()), error.hint());
  }
}

Assignment label_of(const std::string& text) {
  Assignment label = split_at_equals(text);
  if (label.key.empty() || !label.value) refuse(text, "a label: KEY=VALUE");
  if (!is_valid_utf8(text)) refuse(text, "UTF-8, as a label has to be");
  return label;
}

std::string expand_tilde(const std::string& path, const char* home) {
  if (path == "~" || path.starts_with("~/")) return (home == nullptr ? "" : home) + path.substr(1);
  return path;
}

std::string absolute_path(const std::string& path, const char* home) {
  return std::filesystem::absolute(expand_tilde(path, home)).lexically_normal().string();
}

Value as_signal(const Flag&, const std::string& text) {
  const auto number = parse_integer(text, 1, NSIG - 1);
  if (number) return *number;
  std::string name = text.starts_with("SIG") ? text.substr(3) : text;
  for (int candidate = 1; candidate < NSIG; ++candidate) {
    const char* known = ::sigabbrev_np(candidate);
    if (known != nullptr && name == known) return int64_t{candidate};
  }
  throw Error(Code::kInvalidArgument, fmt::format("'{}' is no signal", printable(text)),
              "for example TERM, HUP or 9");
}

CopyPath parse_copy_path(std::string_view text) {
  if (text.empty()) fail(Code::kInvalidArgument, "a path is empty");
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.substr(0, colon).find('/') != std::string_view::npos)
    return {"", std::string(text)};
  if (colon == 0)
    throw Error(Code::kInvalidArgument, fmt::format("'{}': no VM in front of the colon", printable(text)),
                "write a local path that contains a colon as ./a:b");
  CopyPath path{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  if (path.path.empty()) path.path = ".";
  return path;
}

}  // namespace knaller::cli
