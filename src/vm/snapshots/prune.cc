#include "vm/snapshots/prune.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "store/names.h"
#include "store/transaction.h"
#include "store/usage.h"
#include "vm/home/locks.h"
#include "vm/snapshots/snapshot.h"

namespace knaller::vm {
namespace {

using store::Kind;

// An imported snapshot itself says whose and how old it is. So it is of no VM here, neither removed in a VM's
// name nor counted among its newest, and its age is the time since its import.
bool matches(const SnapshotInfo& snapshot, const PruneOptions& options) {
  if (snapshot.imported && (!options.vm.empty() || options.keep_last)) return false;
  if (!options.vm.empty() && snapshot.vm_name != options.vm) return false;
  return std::all_of(options.labels.begin(), options.labels.end(), [&](const auto& wanted) {
    const auto found = snapshot.labels.find(wanted.first);
    return found != snapshot.labels.end() && (!wanted.second || *wanted.second == found->second);
  });
}

// What the rules would say of it can't be known.
void tell_of_damaged(const Context& context, const std::vector<SnapshotInfo>& snapshots) {
  for (const SnapshotInfo& snapshot : snapshots)
    if (!snapshot.broken.empty() && !snapshot.foreign)
      context.note(fmt::format("snapshot {} stays, for it can't be read: {}", snapshot.id, snapshot.broken));
}

// Whether the rules still choose it: it may have been protected or relabelled since the list was made, and
// newer ones removed.
bool is_still_chosen(const Context& context, const SnapshotInfo& snapshot, const PruneOptions& options) {
  const SnapshotInfo itself = describe_snapshot(context, store::SnapshotId::parse(snapshot.id));
  const auto there = options.keep_last ? list_snapshots(context) : std::vector{itself};
  const auto chosen = choose_prunable(there, options, std::chrono::system_clock::now());
  return std::any_of(chosen.begin(), chosen.end(),
                     [&](const SnapshotInfo& one) { return one.id == snapshot.id; });
}

store::TreeUse look_through(const Context& context, const SnapshotInfo& snapshot,
                            const PruneOptions& options) {
  return store::look_through(context.home.folder(Kind::kSnapshot), snapshot.id,
                             Deadline::never(options.stop));
}

// Under the snapshot's lock, by which everybody links its files: the count of names can't change meanwhile.
// Nothing when it is not to be removed any more.
std::optional<uint64_t> remove_one(const Context& context, const SnapshotInfo& snapshot,
                                   const PruneOptions& options) {
  const store::EntryLock lock =
      lock_entry(context, Kind::kSnapshot, snapshot.id, "snapshot prune", options.stop);
  if (!context.home.has(Kind::kSnapshot, snapshot.id) || !is_still_chosen(context, snapshot, options))
    return std::nullopt;
  const uint64_t freed = look_through(context, snapshot, options).exclusive();
  store::Transaction::remove(lock);
  return freed;
}

void require_a_rule(const PruneOptions& options) {
  if (options.keep_last || options.max_age || !options.labels.empty() || !options.vm.empty()) return;
  throw Error(Code::kInvalidArgument, "no rule says which snapshots to remove",
              "give --keep-last, --max-age, --label or --vm");
}

}  // namespace

std::vector<SnapshotInfo> choose_prunable(std::vector<SnapshotInfo> snapshots, const PruneOptions& options,
                                          SystemTime now) {
  std::erase_if(snapshots, [&](const SnapshotInfo& snapshot) {
    return snapshot.is_protected || snapshot.foreign || !snapshot.broken.empty() ||
           !matches(snapshot, options);
  });
  const auto by_age = [](const SnapshotInfo& a, const SnapshotInfo& b) {
    return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
  };
  std::sort(snapshots.begin(), snapshots.end(), by_age);
  std::map<std::string, uint64_t> newer_of_vm;
  std::vector<SnapshotInfo> chosen;
  for (auto snapshot = snapshots.rbegin(); snapshot != snapshots.rend(); ++snapshot) {
    const uint64_t newer = newer_of_vm[snapshot->vm_name]++;
    if (options.keep_last && newer < *options.keep_last) continue;
    if (options.max_age &&
        now - snapshot->imported.value_or(snapshot->created_at) < saturated(*options.max_age))
      continue;
    chosen.push_back(*snapshot);
  }
  std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

PruneResult prune_snapshots(const Context& context, const PruneOptions& options) {
  require_a_rule(options);
  PruneResult result;
  store::PlannedRemovals planned;
  const std::vector<SnapshotInfo> there = list_snapshots(context);
  tell_of_damaged(context, there);
  for (const SnapshotInfo& snapshot : choose_prunable(there, options, std::chrono::system_clock::now())) {
    Deadline::never(options.stop).check("the removal of snapshots");
    std::optional<uint64_t> freed;
    if (options.dry_run)
      freed = planned.remove(look_through(context, snapshot, options));
    else
      freed = remove_one(context, snapshot, options);
    if (!freed) continue;
    result.freed_bytes += *freed;
    result.removed.push_back({snapshot, *freed});
  }
  return result;
}

}  // namespace knaller::vm
