// vm.json: what a VM was made of. Replaced atomically, under the VM's lock. Described in docs/formats/vm.md.
#ifndef KNALLER_STORE_VM_RECORD_H_
#define KNALLER_STORE_VM_RECORD_H_

#include <string>

#include "base/file.h"
#include "knaller/types.h"
#include "store/machine.h"

namespace knaller::store {

struct VmRecord : Machine {
  std::string name;
  std::string uuid;
  SystemTime created_at{};
  std::string engine_binary;

  std::vector<PortForward> bound;  // the ports as they are bound while the VM runs, without SSH's

  // Where it came from, and its last start
  std::string from_snapshot;
  bool booted_since = false;  // of from_snapshot it has the disk only
  bool renewed = true;
  std::string renew_reason;
  std::string boot_id;  // of the host
  SystemTime started_at{};

  // It runs on the memory that from_snapshot has.
  bool has_parent_memory() const { return !from_snapshot.empty() && !booted_since; }
};

std::string to_json_text(const VmRecord& record);
// kCorrupt for anything that is not such a record, or one with another name than `expected_name`.
VmRecord parse_vm_record(std::string_view text, const std::string& expected_name);

// `directory` is the VM's.
void write_vm_record(int directory, const VmRecord& record, Durability durability = Durability::kFsync);
VmRecord read_vm_record(int directory, const std::string& expected_name);

// This boot of the host, from the kernel.
std::string host_boot_id();

}  // namespace knaller::store

#endif  // KNALLER_STORE_VM_RECORD_H_
