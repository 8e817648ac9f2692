// The only file that includes toml++, which is slow to compile.
#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/text.h"
#include "cli/config.h"
#include "cli/config_keys.h"

namespace knaller::cli {
namespace {

[[noreturn]] void refuse(const std::string& where, std::string message, std::string hint = {}) {
  throw Error(Code::kInvalidArgument, fmt::format("{}: {}", where, message), std::move(hint));
}

[[noreturn]] void refuse_key(const std::string& where, const std::string& key) {
  std::vector<std::string> known;
  for (const ConfigKey& one : config_keys()) known.emplace_back(one.name);
  const std::string near = nearest(key, known);
  refuse(where, fmt::format("unknown key '{}'", printable(key)),
         near.empty() ? fmt::format("there are: {}", fmt::join(known, ", "))
                      : fmt::format("did you mean '{}'?", near));
}

const ConfigKey* find_key(std::string_view name) {
  for (const ConfigKey& key : config_keys())
    if (key.name == name) return &key;
  return nullptr;
}

std::string text_of(const toml::node& node, const ConfigKey& key, const std::string& where) {
  using Type = ConfigKey::Type;
  if (key.type == Type::kBoolean) {
    if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
    refuse(where, fmt::format("'{}' is true or false", key.name));
  }
  if (const auto* value = node.as_string()) return value->get();
  if (key.type == Type::kText) refuse(where, fmt::format("'{}' is a text in quotes", key.name));
  if (const auto* value = node.as_integer()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
  refuse(where, fmt::format("'{}' is a number or a text in quotes", key.name));
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  using Type = ConfigKey::Type;
  static const std::vector<ConfigKey> keys{
      {.name = "home", .path = true},
      {.name = "image"},
      {.name = "cpus", .type = Type::kTextOrNumber},
      {.name = "mem", .type = Type::kTextOrNumber},
      {.name = "disk", .type = Type::kTextOrNumber},
      {.name = "network"},
      {.name = "engine", .path = true},
      {.name = "pasta", .path = true},
      {.name = "wait_timeout", .type = Type::kTextOrNumber},
      {.name = "stop_timeout", .type = Type::kTextOrNumber, .flag = "timeout"},
      {.name = "max_pause", .type = Type::kTextOrNumber},
      {.name = "capture"},
      {.name = "libexec", .path = true},
      {.name = "allow_network_home", .type = Type::kBoolean},
  };
  return keys;
}

std::map<std::string, Setting, std::less<>> parse_config(std::string_view text, const std::string& path) {
  std::map<std::string, Setting, std::less<>> settings;
  try {
    const toml::table table = toml::parse(text);
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const std::string where = fmt::format("{}:{}", path, key.source().begin.line);
      const ConfigKey* known = find_key(name);
      if (known == nullptr) refuse_key(where, name);
      settings[name] = {text_of(node, *known, where), where};
    }
  } catch (const toml::parse_error& error) {
    refuse(fmt::format("{}:{}", path, error.source().begin.line), printable(error.description()));
  }
  return settings;
}

}  // namespace knaller::cli
