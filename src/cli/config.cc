#include "cli/config.h"

#include <fcntl.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::cli {
namespace {

std::string value_of(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

std::string default_config_path(const Environment& environment) {
  const std::string xdg = value_of(environment, "XDG_CONFIG_HOME");
  if (xdg.starts_with('/')) return xdg + "/knaller/config.toml";
  const std::string home = value_of(environment, "HOME");
  return home.empty() ? "" : home + "/.config/knaller/config.toml";
}

bool is_path(const Flag& flag) {
  return flag.names == Names::kFile || flag.names == Names::kDirectory || flag.names == Names::kWordsOrFile;
}

}  // namespace

std::string variable_of(std::string_view key) {
  std::string name = "KNALLER_";
  for (const char c : key) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Settings Settings::load(const Invocation& invocation, const Environment& environment) {
  std::string path = value_of(environment, "KNALLER_CONFIG");
  if (const auto flag = invocation.get<std::string>("config")) path = *flag;
  const bool required = !path.empty();
  if (!required) path = default_config_path(environment);
  auto file = path.empty() ? SettingsByKey{} : load_config(expand_tilde(path, environment("HOME")), required);
  return Settings(invocation, environment, std::move(file));
}

Settings::Settings(const Invocation& invocation, const Environment& environment, SettingsByKey file)
    : values_(std::move(file)) {
  for (const Flag* row : settings_rows()) {
    const std::string key(row->setting);
    const std::string variable = variable_of(key);
    const std::string from_environment = value_of(environment, variable.c_str());
    if (!from_environment.empty()) values_[key] = {from_environment, variable};
    // A flag of that name may be another one (`logs --engine`).
    const Flag* flag = find_flag(invocation.command, row->name);
    if (flag != nullptr && flag->setting == key)
      if (const auto given = invocation.written(row->name))
        values_[key] = {flag->value.empty() ? "true" : *given, fmt::format("--{}", row->name)};
    const auto found = values_.find(key);
    if (found != values_.end() && is_path(*row))
      found->second.text = expand_tilde(found->second.text, environment("HOME"));
  }
}

Value Settings::converted(std::string_view key, const Setting& setting) {
  const auto& rows = settings_rows();
  const auto row =
      std::find_if(rows.begin(), rows.end(), [key](const Flag* one) { return one->setting == key; });
  if (row == rows.end()) fail(Code::kInternal, "there is no setting '{}'", key);
  return convert(**row, setting.text, setting.origin);
}

bool Settings::enabled(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return false;
  const auto& [text, origin] = found->second;
  if (text == "1" || text == "true") return true;
  if (text == "0" || text == "false") return false;
  fail(Code::kInvalidArgument, "{}: '{}' is neither true nor false", origin, printable(text));
}

std::string Settings::origin(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? "" : found->second.origin;
}

SettingsByKey load_config(const std::string& path, bool required) {
  const auto text = read_file_if_exists(AT_FDCWD, path, 64 << 10);
  if (text) return parse_config(*text, path);
  if (required) fail(Code::kNotFound, "there is no configuration file '{}'", printable(path));
  return {};
}

}  // namespace knaller::cli
