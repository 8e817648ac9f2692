// How a VM's files get into its directory and its jail.
//
// clang-format off
//   vms/NAME/parts/  base.ext4 vmlinux initramfs memory state
//                    immutable, mode 0400, hard links; the engine never sees this folder
//   vms/NAME/jail/   base.ext4 vmlinux initramfs parent-memory parent-state
//                    links to the same files
//                    disk.ext4 | rootfs.ext4
//                    the VM's own disk
// clang-format on
//
// Snapshots take the immutable files from parts/, never from the jail, which an engine that a guest has taken
// over may write.
#ifndef KNALLER_VM_HOME_LAYOUT_H_
#define KNALLER_VM_HOME_LAYOUT_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "store/vm_record.h"

namespace knaller::vm {

// The engine's devices.
inline constexpr char kNetworkId[] = "eth0";
inline constexpr char kControlId[] = "control0";
std::vector<const char*> drive_ids(const store::Machine& machine);

// "disk.ext4" over a base, else "rootfs.ext4".
std::string own_disk(const store::VmRecord& record);

// An immutable file: its name in parts/ and its name in the jail.
struct Part {
  std::string name;
  std::string jail_name;
};
// Those that a VM of this record has.
std::vector<Part> parts_of(const store::VmRecord& record);
// The memory and devices that a clone came from, which it needs until it is booted.
std::vector<Part> parent_parts();
// Those that its snapshots share with it: all but these.
std::vector<Part> shared_parts_of(const store::VmRecord& record);
std::vector<std::string> jail_names(const std::vector<Part>& parts);

// Makes `alive`, parts/ and jail/ in a new VM's directory.
void make_vm_directories(int directory);
// Brings one immutable file from `from` in `from_dir` into parts/.
void add_part(int directory, int from_dir, const std::string& from, const std::string& part,
              const Deadline& deadline);
void remove_parts(int directory, const std::vector<Part>& parts);
// Links every part into the jail, whatever an earlier engine left there under its name, and removes sockets
// and fifos of processes that are gone.
void refresh_jail(int directory, const std::vector<Part>& parts, const Deadline& deadline);

// Removes from a jail of a VM's directory what snapshot commands that were killed left there, whatever the
// engine made of it.
void remove_engine_files(int directory, int jail);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_LAYOUT_H_
