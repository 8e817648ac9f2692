// labels.json of a snapshot: what this home says about it. Its name, its labels, whether it is protected, and
// when it was imported; the one file of a snapshot that changes, replaced atomically under the snapshot's
// lock. Described in docs/formats/snapshot.md.
#ifndef KNALLER_STORE_LABELS_H_
#define KNALLER_STORE_LABELS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "knaller/types.h"

namespace knaller::store {

struct SnapshotLabels {
  std::string name;  // the user's own, may be empty
  std::map<std::string, std::string> labels;
  bool is_protected = false;
  // By this host's clock. What an imported snapshot says about itself (whose it is, how old, which ports it
  // wants) was written by whoever made the archive, and decides nothing.
  std::optional<SystemTime> imported = {};
};

// Throws kInvalidArgument for keys and values that labels can't have, or too many of them.
void check_labels(const std::map<std::string, std::string>& labels);

std::string to_text(const SnapshotLabels& labels);
// kCorrupt for anything that is not of that form.
SnapshotLabels parse_labels(std::string_view text);

void write_labels(int directory, const SnapshotLabels& labels, Durability durability = Durability::kFsync);
// Empty when there are none; kCorrupt when the file is not of that form.
SnapshotLabels read_labels(int directory);
// Throws kCorrupt unless the file is, to the bit, one that write_labels() wrote, or absent.
void verify_labels(int directory);
// Also true when the labels can't be read, since they may say so.
bool may_be_imported(int directory);
// What write_labels() leaves when it is killed.
bool is_unfinished_labels(std::string_view file);

}  // namespace knaller::store

#endif  // KNALLER_STORE_LABELS_H_
