// The only file that includes toml++, which is slow to compile.
#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/text.h"
#include "cli/config.h"

namespace knaller::cli {
namespace {

[[noreturn]] void refuse(const std::string& where, std::string message, std::string hint = {}) {
  throw Error(Code::kInvalidArgument, fmt::format("{}: {}", where, message), std::move(hint));
}

[[noreturn]] void refuse_key(const std::string& where, const std::string& key) {
  std::vector<std::string> known;
  for (const Flag* row : settings_rows()) known.emplace_back(row->setting);
  const std::string near = nearest(key, known);
  refuse(where, fmt::format("unknown key '{}'", printable(key)),
         near.empty() ? fmt::format("there are: {}", fmt::join(known, ", "))
                      : fmt::format("did you mean '{}'?", near));
}

const Flag* find_row(std::string_view key) {
  for (const Flag* row : settings_rows())
    if (row->setting == key) return row;
  return nullptr;
}

bool takes_numbers(const Flag& flag) {
  return flag.convert == as_milli_cpus || flag.convert == as_count || flag.convert == as_mebibytes ||
         flag.convert == as_time;
}

std::string text_of(const toml::node& node, const Flag& row, const std::string& where) {
  if (row.value.empty()) {
    if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
    refuse(where, fmt::format("'{}' must be true or false", row.setting));
  }
  if (const auto* value = node.as_string()) return value->get();
  if (!takes_numbers(row)) refuse(where, fmt::format("'{}' must be a string in quotes", row.setting));
  if (const auto* value = node.as_integer()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
  refuse(where, fmt::format("'{}' must be a number or a string in quotes", row.setting));
}

}  // namespace

SettingsByKey parse_config(std::string_view text, const std::string& path) {
  SettingsByKey settings;
  try {
    const toml::table table = toml::parse(text);
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const std::string where = fmt::format("{}:{}", path, key.source().begin.line);
      const Flag* known = find_row(name);
      if (known == nullptr) refuse_key(where, name);
      settings[name] = {text_of(node, *known, where), where};
    }
  } catch (const toml::parse_error& error) {
    refuse(fmt::format("{}:{}", path, error.source().begin.line), printable(error.description()));
  }
  return settings;
}

}  // namespace knaller::cli
