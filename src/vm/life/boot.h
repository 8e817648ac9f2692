// The engine's requests for a VM of a given record: pure.
#ifndef KNALLER_VM_LIFE_BOOT_H_
#define KNALLER_VM_LIFE_BOOT_H_

#include <optional>
#include <string>
#include <vector>

#include "firecracker/request.h"
#include "net/plan.h"
#include "store/vm_record.h"

namespace knaller::vm {

// The network that a VM of this record needs; nothing for `--network none`. Its first port is SSH's.
std::optional<net::Plan> network_plan(const store::VmRecord& record);
// The same, or, for a guest with a network device that is cut off, a plan of that device and no ports.
std::optional<net::Plan> device_plan(const store::VmRecord& record);

struct GuestArgs {
  std::string ssh_key;     // a line of authorized_keys; empty: none is installed
  std::string extra_args;  // the user's
};
// The kernel command line. Guests of our images read knaller.*; others get the kernel's own ip= and need
// nothing of ours.
std::string boot_args(const store::VmRecord& record, const GuestArgs& guest);

// The same command line for a clone with another name.
std::string with_hostname(const std::string& boot_args, const std::string& hostname);

// A cold boot, InstanceStart last.
std::vector<firecracker::Request> boot_requests(const store::VmRecord& record);
// Loads jail/parent-state with jail/parent-memory and runs it, with the limiters of `record`. `saved`: the
// limits of the VM whose state that is.
std::vector<firecracker::Request> load_requests(const firecracker::Version& version,
                                                const store::VmRecord& record, const Limits& saved);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_BOOT_H_
