#include "vm/snapshots/snapshot_change.h"

#include "base/error.h"
#include "base/once_done.h"
#include "store/labels.h"
#include "vm/home/locks.h"
#include "vm/snapshots/snapshot.h"

namespace knaller::vm {
namespace {

using store::Kind;

// No snapshot's id: names are given out one at a time.
const char* const kNames = "names";

void apply(const SnapshotChange& change, store::SnapshotLabels& labels) {
  if (change.name) labels.name = *change.name;
  if (change.is_protected) labels.is_protected = *change.is_protected;
  for (const std::string& key : change.remove_labels) labels.labels.erase(key);
  for (const auto& [key, value] : change.set_labels) labels.labels[key] = value;
}

void change_locked(const Context& context, const store::SnapshotId& id, const SnapshotChange& change) {
  if (!context.home.has(Kind::kSnapshot, id.str()))
    fail(Code::kNotFound, "snapshot {} was removed meanwhile", id.str());
  const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, id.str());
  if (store::read_snapshot_record(directory.get(), id).is_foreign())
    throw Error(Code::kUnsupported,
                fmt::format("snapshot {} is of the Go program, which would not keep labels", id.str()),
                "start it, and take a snapshot of the VM");
  const store::SnapshotLabels before = store::read_labels(directory.get());
  store::SnapshotLabels labels = before;
  apply(change, labels);
  if (change.name) check_snapshot_name(context, *change.name, id.str());
  try {
    store::write_labels(directory.get(), labels);
  } catch (const Error&) {
    // They may be in place, and only not on the disk for certain.
    store::write_labels(directory.get(), before);
    throw;
  }
}

}  // namespace

void check_snapshot_name(const Context& context, const std::string& name, const std::string& except) {
  if (name.empty()) return;
  store::Name::parse(name, "snapshot name");
  if (store::SnapshotId::is_valid(name))
    fail(Code::kInvalidArgument, "'{}' looks like a snapshot id: choose another name", name);
  for (const SnapshotInfo& other : list_snapshots(context))
    if (other.name == name && other.id != except)
      fail(Code::kAlreadyExists, "snapshot {} is named '{}' already", other.id, name);
}

store::EntryLock lock_snapshot_names(const Context& context, const std::string& verb,
                                     const Deadline& deadline) {
  return context.home.lock(Kind::kSnapshot, kNames, verb, deadline,
                           waiting_note(context, "the names of snapshots"));
}

SnapshotInfo change_snapshot(const Context& context, const std::string& reference,
                             const SnapshotChange& change) {
  store::check_labels(change.set_labels);
  const store::SnapshotId id = find_snapshot(context, reference);
  const Deadline deadline = Deadline::after(kLockPatience, change.stop);
  std::optional<store::EntryLock> names;
  if (change.name) names = lock_snapshot_names(context, "snapshot rename", deadline);
  const store::EntryLock lock = lock_entry(context, Kind::kSnapshot, id.str(), "snapshot label", deadline);
  change_locked(context, id, change);
  return once_done([&] { return fmt::format("snapshot {} is changed all the same", id.str()); },
                   [&] { return describe_snapshot(context, id); });
}

}  // namespace knaller::vm
