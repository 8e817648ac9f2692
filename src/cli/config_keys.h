// The keys that a configuration file may hold (documented in docs/cli.md).
#ifndef KNALLER_CLI_CONFIG_KEYS_H_
#define KNALLER_CLI_CONFIG_KEYS_H_

#include <string_view>
#include <vector>

namespace knaller::cli {

struct ConfigKey {
  enum class Type { kText, kTextOrNumber, kBoolean };
  std::string_view name;
  Type type = Type::kText;
  bool path = false;           // "~/" is expanded
  std::string_view flag = {};  // where it is not the name with dashes
};

const std::vector<ConfigKey>& config_keys();

}  // namespace knaller::cli

#endif  // KNALLER_CLI_CONFIG_KEYS_H_
