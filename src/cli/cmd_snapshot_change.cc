// snapshot protect, unprotect, label, rename: what may be changed of a snapshot.
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/labels.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

Json change(Context& context, const std::string& id, const SnapshotChange& change) {
  SnapshotInfo snapshot;
  suggest_snapshot(context, id, [&] { snapshot = context.manager().change_snapshot(id, change); });
  return to_json(snapshot);
}

int set_protection(Context& context, bool is_protected) {
  return for_each_name(context, context.args().arguments, [&](const std::string& id) {
    return change(context, id, {.is_protected = is_protected, .stop = context.stop()});
  });
}

// KEY=VALUE sets, KEY- removes.
void take_label(const std::string& word, SnapshotChange& change) {
  if (word.find('=') == std::string::npos && word.size() > 1 && word.ends_with('-')) {
    change.remove_labels.push_back(word.substr(0, word.size() - 1));
  } else {
    change.set_labels.insert_or_assign(label_of(word).first, label_of(word).second);
  }
}

}  // namespace

int cmd_snapshot_protect(Context& context) {
  return set_protection(context, true);
}

int cmd_snapshot_unprotect(Context& context) {
  return set_protection(context, false);
}

int cmd_snapshot_label(Context& context) {
  const std::vector<std::string>& words = context.args().arguments;
  SnapshotChange labels{.stop = context.stop()};
  for (size_t at = 1; at < words.size(); ++at) take_label(words[at], labels);
  return for_each_name(context, {words[0]},
                       [&](const std::string& id) { return change(context, id, labels); });
}

int cmd_snapshot_rename(Context& context) {
  const std::vector<std::string>& words = context.args().arguments;
  return for_each_name(context, {words[0]}, [&](const std::string& id) {
    return change(context, id, {.name = words[1], .stop = context.stop()});
  });
}

}  // namespace knaller::cli
