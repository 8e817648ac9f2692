// metadata.json of a snapshot. It is written once and never again; it keeps the Go program's fields with the
// same names and forms, so each program reads the other's. Described in docs/formats/snapshot.md.
#ifndef KNALLER_STORE_SNAPSHOT_RECORD_H_
#define KNALLER_STORE_SNAPSHOT_RECORD_H_

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "knaller/types.h"
#include "store/cpu.h"
#include "store/machine.h"
#include "store/names.h"

namespace knaller::store {

// In bytes, of what an engine saves of its devices.
inline constexpr uint64_t kLargestState = 64 << 20;

// A record of the Go program has format 0 and, of the machine, only processors, memory and ports.
struct SnapshotRecord : Machine {
  std::string id;
  std::string vm_name;
  SystemTime created_at{};

  int format = 1;
  std::string uuid;
  std::string vm_uuid;
  // Of the host on which it was taken.
  CpuIdentity cpu;
  std::string kernel;         // "6.1.0-13-amd64"; empty in records from before this was noted
  uint64_t tsc_khz = 0;       // 0 in such records
  std::string ssh_host_keys;  // lines of known_hosts, required of every clone
  std::string parent;
  std::chrono::microseconds paused{0};
  std::optional<SystemTime> paused_at;  // absent when the VM was already paused or stopped
  std::optional<SystemTime> resumed_at;
  std::string capture;         // "outside" or "engine"; empty in early snapshots
  std::string capture_reason;  // why not from outside
  bool has_disk = true;
  bool has_memory = true;  // false: of a VM that did not run; it can only be booted
  bool durable = true;

  bool is_foreign() const { return format == 0; }
};

// Names of the files without which it is not whole. Without memory: what it takes to boot its disk.
enum class Needed { kAll, kColdBoot };
std::vector<std::string> files_needed(const SnapshotRecord& record, Needed needed);

std::string to_json_text(const SnapshotRecord& record);
// kCorrupt for anything that is not such a record, or one with another id than `expected`; kUnsupported for a
// newer format.
SnapshotRecord parse_snapshot_record(std::string_view text, const SnapshotId& expected);
SnapshotRecord read_snapshot_record(int directory, const SnapshotId& id);

}  // namespace knaller::store

#endif  // KNALLER_STORE_SNAPSHOT_RECORD_H_
