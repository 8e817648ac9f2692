// Settings: flags before KNALLER_* variables before the configuration file. Every value keeps where it came
// from, so that an error can name the place. Which keys there are, and what each may be, is in the rows of
// their flags (settings_rows() in spec.h).
#ifndef KNALLER_CLI_CONFIG_H_
#define KNALLER_CLI_CONFIG_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "cli/parse.h"

namespace knaller::cli {

struct Setting {
  std::string text;
  std::string origin;  // "--cpus", "KNALLER_CPUS", "/home/a/.config/knaller/config.toml:3"
};
using SettingsByKey = std::map<std::string, Setting, std::less<>>;

// The keys of a configuration file, by name. Unknown keys and values of a wrong type are
// Code::kInvalidArgument with file and line. `path` names the file in errors.
SettingsByKey parse_config(std::string_view text, const std::string& path);

// The file at `path`; an absent one is empty, unless `required`.
SettingsByKey load_config(const std::string& path, bool required);

// "KNALLER_WAIT_TIMEOUT" of "wait_timeout".
std::string variable_of(std::string_view key);

using Environment = std::function<const char*(const char*)>;

class Settings {
 public:
  // Reads the configuration file. `environment` is ::getenv, except in tests.
  static Settings load(const Invocation& invocation, const Environment& environment);
  Settings(const Invocation& invocation, const Environment& environment, SettingsByKey file);

  // The value of a key; T is what the converter of its flag makes. Converted when it is read: what a command
  // has no use for may be wrong.
  template <typename T>
  std::optional<T> get(std::string_view key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return std::nullopt;
    return std::get<T>(converted(key, found->second));
  }
  std::string text(std::string_view key) const { return get<std::string>(key).value_or(""); }
  bool enabled(std::string_view key) const;
  std::string origin(std::string_view key) const;  // empty when not set

 private:
  static Value converted(std::string_view key, const Setting& setting);

  SettingsByKey values_;
};

}  // namespace knaller::cli

#endif  // KNALLER_CLI_CONFIG_H_
