// What has to be known about states that the Go program's VMs left.
#ifndef KNALLER_VM_SNAPSHOTS_FOREIGN_STATE_H_
#define KNALLER_VM_SNAPSHOTS_FOREIGN_STATE_H_

#include <string>
#include <string_view>

namespace knaller::vm {

// The absolute path under which such a state names its disk, /…/snapshots/ID/rootfs.ext4; empty when there is
// none. Pure.
std::string disk_path_of_go(std::string_view state);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_FOREIGN_STATE_H_
