// Labels and filters of snapshots, as users write them. Pure; kInvalidArgument for what can't be understood.
#ifndef KNALLER_CLI_LABELS_H_
#define KNALLER_CLI_LABELS_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "knaller/types.h"

namespace knaller::cli {

// "KEY=VALUE"
std::pair<std::string, std::string> label_of(const std::string& text);
// "KEY" (any value) or "KEY=VALUE"
std::pair<std::string, std::optional<std::string>> label_rule(const std::string& text);

// `--filter label=KEY[=VALUE]`, `vm=NAME`, `name=NAME`; in names, * and ? stand for anything.
class SnapshotFilter {
 public:
  explicit SnapshotFilter(const std::vector<std::string>& texts);
  // Every filter does.
  bool matches(const SnapshotInfo& snapshot) const;

 private:
  enum class Kind { kLabel, kVm, kName };
  struct Rule {
    Kind kind;
    std::string key;  // of a label; else a pattern
    std::optional<std::string> value;
  };
  static bool matches(const Rule& rule, const SnapshotInfo& snapshot);

  std::vector<Rule> rules_;
};

}  // namespace knaller::cli

#endif  // KNALLER_CLI_LABELS_H_
