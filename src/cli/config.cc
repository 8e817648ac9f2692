#include "cli/config.h"

#include <fcntl.h>

#include <cctype>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/config_keys.h"

namespace knaller::cli {
namespace {

std::string with(std::string_view text, char from, char to) {
  std::string out(text);
  for (char& c : out)
    if (c == from) c = to;
  return out;
}

std::string variable_of(std::string_view key) {
  std::string name = "KNALLER_";
  for (const char c : key) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

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

[[noreturn]] void wrong(const Setting& setting, std::string_view what) {
  fail(Code::kInvalidArgument, "{}: '{}' is no {}", setting.origin, printable(setting.text), what);
}

}  // namespace

std::string expand_tilde(const std::string& path, const Environment& environment) {
  if (path == "~" || path.starts_with("~/")) return value_of(environment, "HOME") + path.substr(1);
  return path;
}

Settings Settings::load(const Invocation& invocation, const Environment& environment) {
  std::string path = value_of(environment, "KNALLER_CONFIG");
  if (const auto flag = invocation.value("config")) path = *flag;
  const bool required = !path.empty();
  if (!required) path = default_config_path(environment);
  auto file = path.empty() ? std::map<std::string, Setting, std::less<>>{}
                           : load_config(expand_tilde(path, environment), required);
  return Settings(invocation, environment, std::move(file));
}

Settings::Settings(const Invocation& invocation, const Environment& environment,
                   std::map<std::string, Setting, std::less<>> file)
    : values_(std::move(file)) {
  for (const ConfigKey& key : config_keys()) {
    const std::string name(key.name);
    const std::string variable = variable_of(key.name);
    const std::string from_environment = value_of(environment, variable.c_str());
    if (!from_environment.empty()) values_[name] = {from_environment, variable};
    const std::string flag = key.flag.empty() ? with(key.name, '_', '-') : std::string(key.flag);
    if (const auto given = invocation.value(flag)) values_[name] = {*given, "--" + flag};
    if (key.type == ConfigKey::Type::kBoolean && invocation.has(flag)) values_[name] = {"true", "--" + flag};
    if (key.path && values_.count(name) != 0)
      values_[name].text = expand_tilde(values_[name].text, environment);
  }
}

std::optional<Setting> Settings::get(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return {};
  return found->second;
}

std::string Settings::text(std::string_view key) const {
  const auto setting = get(key);
  return setting ? setting->text : "";
}

std::optional<uint32_t> Settings::cpus() const {
  const auto setting = get("cpus");
  if (!setting) return {};
  std::string_view whole = setting->text;
  const size_t point = whole.find('.');
  if (point != std::string_view::npos) {
    const std::string_view fraction = whole.substr(point + 1);
    if (fraction.empty() || !parse_integer(fraction, 0, 1'000'000'000)) wrong(*setting, "number of CPUs");
    if (fraction.find_first_not_of('0') != std::string_view::npos)
      throw Error(Code::kUnsupported,
                  fmt::format("{}: fractions of a CPU ('{}') are not enforced yet", setting->origin, whole),
                  "give a whole number");
    whole = whole.substr(0, point);
  }
  const auto count = parse_integer(whole, 1, 32);
  if (!count) wrong(*setting, "number of CPUs (1 to 32)");
  return static_cast<uint32_t>(*count);
}

uint64_t mebibytes_of(const Setting& setting) {
  constexpr uint64_t kMib = 1 << 20;
  const auto bytes = parse_size(setting.text, kMib);
  if (!bytes || *bytes == 0 || *bytes % kMib != 0 || *bytes > (uint64_t{1} << 50))
    wrong(setting, "size in MiB, as in 1024 or 2G");
  return *bytes / kMib;
}

std::chrono::milliseconds duration_of(const Setting& setting) {
  const auto parsed = parse_duration(setting.text);
  if (!parsed) wrong(setting, "time, as in 30, 500ms or 2m");
  return *parsed;
}

std::optional<uint64_t> Settings::mebibytes(std::string_view key) const {
  const auto setting = get(key);
  if (!setting) return {};
  return mebibytes_of(*setting);
}

std::optional<std::chrono::milliseconds> Settings::duration(std::string_view key) const {
  const auto setting = get(key);
  if (!setting) return {};
  return duration_of(*setting);
}

bool Settings::enabled(std::string_view key) const {
  const auto setting = get(key);
  if (!setting) return false;
  if (setting->text == "1" || setting->text == "true") return true;
  if (setting->text == "0" || setting->text == "false") return false;
  wrong(*setting, "true or false");
}

std::map<std::string, Setting, std::less<>> load_config(const std::string& path, bool required) {
  const auto text = read_file_if_exists(AT_FDCWD, path, 64 << 10);
  if (text) return parse_config(*text, path);
  if (required) fail(Code::kNotFound, "there is no configuration file '{}'", printable(path));
  return {};
}

}  // namespace knaller::cli
