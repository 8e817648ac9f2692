#include "vm/snapshots/snapshot.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/transaction.h"
#include "store/usage.h"
#include "vm/home/layout.h"
#include "vm/home/locks.h"

namespace knaller::vm {
namespace {

using store::Kind;
using store::SnapshotId;

SnapshotInfo broken(const Context& context, const std::string& id, const std::string& reason) {
  SnapshotInfo info;
  info.id = id;
  info.broken = reason;
  info.directory = context.home.path_of(Kind::kSnapshot, id);
  return info;
}

void fill(SnapshotInfo& info, const store::SnapshotRecord& record) {
  info.id = record.id;
  info.uuid = record.uuid;
  info.vm_name = record.vm_name;
  info.created_at = record.created_at;
  info.vcpus = record.vcpus;
  info.memory_mib = record.memory_mib;
  info.ports = record.ports;
  info.engine = store::to_text(record.engine);
  info.engine_version = record.engine_version;
  info.image = record.image;
  info.parent = record.parent;
  info.paused = record.paused;
  info.paused_at = record.paused_at;
  info.resumed_at = record.resumed_at;
  info.capture = record.capture;
  info.capture_reason = record.capture_reason;
  info.has_disk = record.has_disk;
  info.has_memory = record.has_memory;
  info.durable = record.durable;
  info.foreign = record.is_foreign();
}

// Labels that can't be read may have said so: then it takes --force.
void require_unprotected(const Context& context, const SnapshotId& id, bool force) {
  const auto entry = stat_if_exists(context.home.folder(Kind::kSnapshot), id.str());
  if (!entry || !S_ISDIR(entry->st_mode)) return;
  const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, id.str());
  try {
    if (!store::read_labels(directory.get()).is_protected) return;
  } catch (Error& error) {
    if (force && error.code() == Code::kCorrupt) return;
    error.in(fmt::format("find out whether snapshot {} is protected", id.str()))
        .with_hint("remove it all the same with --force");
    throw;
  }
  throw Error(Code::kWrongState, fmt::format("snapshot {} is protected", id.str()),
              fmt::format("unprotect it first: knaller snapshot unprotect {}", id.str()));
}

// Fewer digits of an id are more likely a name that is gone, and `snapshot rm` must not take another for it.
constexpr size_t kFewestDigits = 4;

bool is_beginning_of(std::string_view reference, std::string_view id) {
  const std::string_view prefix = "snap_";
  if (reference.starts_with(prefix)) reference.remove_prefix(prefix.size());
  return reference.size() >= kFewestDigits && id.substr(prefix.size()).starts_with(reference);
}

}  // namespace

SnapshotInfo describe_snapshot(const Context& context, const SnapshotId& id) {
  const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, id.str());
  SnapshotInfo info;
  fill(info, store::read_snapshot_record(directory.get(), id));
  const store::SnapshotLabels labels = store::read_labels(directory.get());
  info.name = labels.name;
  info.labels = labels.labels;
  info.is_protected = labels.is_protected;
  info.imported = labels.imported;
  // Younger than its import it can't be, whatever it says.
  if (info.imported) info.created_at = std::min(info.created_at, *info.imported);
  info.allocated_bytes = store::allocated_in(directory.get());
  info.directory = context.home.path_of(Kind::kSnapshot, id.str());
  return info;
}

std::vector<SnapshotInfo> list_snapshots(const Context& context) {
  std::vector<SnapshotInfo> snapshots;
  for (const std::string& name : context.home.entries(Kind::kSnapshot)) {
    if (!SnapshotId::is_valid(name)) continue;
    try {
      snapshots.push_back(describe_snapshot(context, SnapshotId::parse(name)));
    } catch (const Error& error) {
      if (error.code() == Code::kExhausted) throw;  // this process lacks something, not the snapshot
      if (context.home.has(Kind::kSnapshot, name)) snapshots.push_back(broken(context, name, error.what()));
    }
  }
  std::sort(snapshots.begin(), snapshots.end(), [](const SnapshotInfo& a, const SnapshotInfo& b) {
    return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
  });
  return snapshots;
}

SnapshotId find_snapshot(const Context& context, const std::string& reference) {
  if (SnapshotId::is_valid(reference) && context.home.has(Kind::kSnapshot, reference))
    return SnapshotId::parse(reference);
  std::vector<std::string> known;
  std::vector<std::string> matches;
  for (const SnapshotInfo& info : list_snapshots(context)) {
    known.push_back(info.id);
    if (!info.name.empty()) known.push_back(info.name);
    if (!info.name.empty() && info.name == reference) return SnapshotId::parse(info.id);
    if (is_beginning_of(reference, info.id)) matches.push_back(info.id);
  }
  if (matches.size() == 1) return SnapshotId::parse(matches.front());
  if (matches.size() > 1)
    throw Error(Code::kInvalidArgument,
                fmt::format("'{}' is the beginning of {} snapshot ids", printable(reference), matches.size()),
                "give more of its digits; `knaller snapshot ls` shows them");
  const std::string near = nearest(reference, known);
  throw Error(Code::kNotFound, fmt::format("there is no snapshot '{}'", printable(reference)),
              near.empty() ? "see `knaller snapshot ls` for those there are"
                           : fmt::format("did you mean '{}'?", near));
}

SnapshotInfo inspect_snapshot(const Context& context, const std::string& reference) {
  return describe_snapshot(context, find_snapshot(context, reference));
}

std::string inspect_snapshot_json(const Context& context, const std::string& reference) {
  const SnapshotId id = find_snapshot(context, reference);
  const SnapshotInfo info = describe_snapshot(context, id);
  const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, id.str());
  Json json = parse_json(store::read_entry_file(directory.get(), layout::kMetadata), layout::kMetadata);
  json["memory_mib"] = info.memory_mib;
  json.erase("mem_size_mib");
  json["name"] = info.name;
  json["labels"] = info.labels;
  json["protected"] = info.is_protected;
  json["imported"] = info.imported ? Json(format_time(*info.imported)) : Json(nullptr);
  if (info.imported) json["created_at"] = format_time(info.created_at);
  json["durable"] = info.durable;
  json["engine"] = info.engine;
  json["foreign"] = info.foreign;
  json["allocated_bytes"] = info.allocated_bytes;
  json["directory"] = info.directory;
  Json files = Json::object();
  for (const std::string& name : list_directory(directory.get()))
    if (const auto stat = stat_if_exists(directory.get(), name))
      files[name] = {{"size", stat->st_size}, {"allocated", stat->st_blocks * 512}};
  json["files"] = std::move(files);
  return dump_json(json, 2);
}

void remove_snapshot(const Context& context, const std::string& reference, const RemoveOptions& options) {
  std::optional<SnapshotId> id;
  try {
    id = find_snapshot(context, reference);
  } catch (const Error& error) {
    if (options.force && error.code() == Code::kNotFound) return;
    throw;
  }
  const store::EntryLock lock = lock_entry(context, Kind::kSnapshot, id->str(), "snapshot rm", options.stop);
  if (!context.home.has(Kind::kSnapshot, id->str())) {
    if (options.force) return;
    fail(Code::kNotFound, "snapshot {} was removed meanwhile", id->str());
  }
  require_unprotected(context, *id, options.force);
  store::Transaction::remove(lock);
}

}  // namespace knaller::vm
