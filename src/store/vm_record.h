// vm.json: what a VM was made of. Replaced atomically, under the VM's lock. Described in docs/formats/vm.md.
#ifndef KNALLER_STORE_VM_RECORD_H_
#define KNALLER_STORE_VM_RECORD_H_

#include <string>

#include "base/file.h"
#include "knaller/types.h"

namespace knaller::store {

struct VmRecord {
  std::string name;
  std::string uuid;
  SystemTime created_at{};

  // The machine
  uint32_t vcpus = 1;
  uint64_t memory_mib = 1024;
  std::string boot_args;  // whole, as the engine gets it
  bool has_base = false;  // base.ext4 + disk.ext4 instead of rootfs.ext4
  bool has_initrd = false;

  // The guest
  std::string image;  // name, for people; "" for kernel and rootfs of the user's own
  int guest_protocol = 0;
  bool has_ssh = false;  // knaller's key is in the guest

  // Network
  NetworkMode network = NetworkMode::kRootless;
  std::vector<PortForward> ports;  // as asked for: host 0 means leased anew at each start
  std::vector<PortForward> bound;  // as they are bound while the VM runs, without SSH's
  uint16_t ssh_port = 0;
  std::string
      network_of;  // the Go program's VM name from which TAP, MAC and addresses derive; "" for knaller's own

  // The engine
  std::string engine;  // "firecracker", "qemu"
  std::string engine_binary;
  std::string engine_version;
  OnReboot on_reboot = OnReboot::kRestart;

  // Where it came from, and its last start
  std::string from_snapshot;
  bool renewed = true;
  std::string renew_reason;
  std::string boot_id;  // of the host, at the last start
  SystemTime started_at{};
};

std::string to_json_text(const VmRecord& record);
// kCorrupt for anything that is not such a record, or one of another name than `expected_name`.
VmRecord parse_vm_record(std::string_view text, const std::string& expected_name);

// `directory` is the VM's.
void write_vm_record(int directory, const VmRecord& record, Durability durability = Durability::kFsync);
VmRecord read_vm_record(int directory, const std::string& expected_name);

// This boot of the host, from the kernel.
std::string host_boot_id();

}  // namespace knaller::store

#endif  // KNALLER_STORE_VM_RECORD_H_
