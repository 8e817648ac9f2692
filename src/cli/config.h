// Settings: flags before KNALLER_* variables before the configuration file. Every value keeps where it came
// from, so that an error can name the place.
#ifndef KNALLER_CLI_CONFIG_H_
#define KNALLER_CLI_CONFIG_H_

#include <chrono>
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

// Whole MiB, more than 0; kInvalidArgument names the origin.
uint64_t mebibytes_of(const Setting& setting);
std::chrono::milliseconds duration_of(const Setting& setting);

// The keys of a configuration file, by name. Unknown keys and values of a wrong type are
// Code::kInvalidArgument with file and line. `path` names the file in errors.
std::map<std::string, Setting, std::less<>> parse_config(std::string_view text, const std::string& path);

// The file at `path`; an absent one is empty, unless `required`.
std::map<std::string, Setting, std::less<>> load_config(const std::string& path, bool required);

using Environment = std::function<const char*(const char*)>;

class Settings {
 public:
  // Reads the configuration file. `environment` is ::getenv but in tests.
  static Settings load(const Invocation& invocation, const Environment& environment);
  Settings(const Invocation& invocation, const Environment& environment,
           std::map<std::string, Setting, std::less<>> file);

  // The value of a key ("wait_timeout"), whose flag is the same with dashes and whose variable is
  // KNALLER_WAIT_TIMEOUT.
  std::optional<Setting> get(std::string_view key) const;
  std::string text(std::string_view key) const;  // empty when not set
  std::optional<uint32_t> cpus() const;
  std::optional<uint64_t> mebibytes(std::string_view key) const;
  std::optional<std::chrono::milliseconds> duration(std::string_view key) const;
  bool enabled(std::string_view key) const;

 private:
  std::map<std::string, Setting, std::less<>> values_;
};

// "~/x" with the home directory in front.
std::string expand_tilde(const std::string& path, const Environment& environment);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_CONFIG_H_
