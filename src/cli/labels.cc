#include "cli/labels.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace knaller::cli {

std::pair<std::string, std::string> label_of(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    fail(Code::kInvalidArgument, "label '{}' is no KEY=VALUE", printable(text));
  if (!is_valid_utf8(text)) fail(Code::kInvalidArgument, "label '{}' is no UTF-8", printable(text));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::pair<std::string, std::optional<std::string>> label_rule(const std::string& text) {
  if (text.find('=') != std::string::npos) return label_of(text);
  if (text.empty()) fail(Code::kInvalidArgument, "a label without a key");
  return {text, std::nullopt};
}

SnapshotFilter::SnapshotFilter(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    const std::string kind = text.substr(0, equals);
    const std::string rest = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (kind == "label") {
      const auto [key, value] = label_rule(rest);
      rules_.push_back({Kind::kLabel, key, value});
    } else if (kind == "vm" || kind == "name") {
      rules_.push_back({kind == "vm" ? Kind::kVm : Kind::kName, rest, {}});
    } else {
      throw Error(Code::kInvalidArgument, fmt::format("--filter: '{}' is no filter", printable(text)),
                  "there are: label=KEY, label=KEY=VALUE, vm=NAME, name=NAME");
    }
  }
}

bool SnapshotFilter::matches(const Rule& rule, const SnapshotInfo& snapshot) {
  if (rule.kind == Kind::kLabel) {
    const auto found = snapshot.labels.find(rule.key);
    return found != snapshot.labels.end() && (!rule.value || *rule.value == found->second);
  }
  const std::string& name = rule.kind == Kind::kVm ? snapshot.vm_name : snapshot.name;
  return ::fnmatch(rule.key.c_str(), name.c_str(), 0) == 0;
}

bool SnapshotFilter::matches(const SnapshotInfo& snapshot) const {
  return std::all_of(rules_.begin(), rules_.end(), [&](const Rule& rule) { return matches(rule, snapshot); });
}

}  // namespace knaller::cli
