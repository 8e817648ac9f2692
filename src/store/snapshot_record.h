// metadata.json of a snapshot. It is written once and never again; it keeps the Go
// program's fields with the same names and forms, so both programs read each other's. Described in
// docs/formats/snapshot.md.
#ifndef KNALLER_STORE_SNAPSHOT_RECORD_H_
#define KNALLER_STORE_SNAPSHOT_RECORD_H_

#include <optional>
#include <string>

#include "base/file.h"
#include "knaller/types.h"
#include "store/machine.h"
#include "store/names.h"

namespace knaller::store {

struct CpuIdentity {
  std::string vendor;  // "AuthenticAMD"
  int64_t family = 0;
  int64_t model = 0;
  std::string name;

  bool operator==(const CpuIdentity&) const = default;
};
CpuIdentity host_cpu();

// A record of the Go program has format 0, and of the machine only processors, memory and ports.
struct SnapshotRecord : Machine {
  std::string id;
  std::string vm_name;
  SystemTime created_at{};

  int format = 1;
  std::string uuid;
  std::string vm_uuid;
  CpuIdentity cpu;
  std::string ssh_host_keys;  // lines of known_hosts, required of every clone
  std::string parent;
  std::chrono::microseconds paused{0};
  std::optional<SystemTime> paused_at;  // absent when the VM stood still already
  std::optional<SystemTime> resumed_at;
  std::string capture;         // "outside" or "engine"; empty in early snapshots
  std::string capture_reason;  // why not from outside
  bool has_disk = true;
  bool durable = true;

  bool is_foreign() const { return format == 0; }
};

std::string to_json_text(const SnapshotRecord& record);
// kCorrupt for anything that is not such a record, or one of another id than `expected`; kUnsupported for a
// newer format.
SnapshotRecord parse_snapshot_record(std::string_view text, const SnapshotId& expected);
SnapshotRecord read_snapshot_record(int directory, const SnapshotId& id);

}  // namespace knaller::store

#endif  // KNALLER_STORE_SNAPSHOT_RECORD_H_
