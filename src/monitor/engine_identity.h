// Which user an engine is. An ordinary user's engine is that user, the only id there is for it; one that root
// starts is nobody: a host id of its own for each VM, which owns nothing, and to which the VM's directory and
// devices are shown as its own.
#ifndef KNALLER_MONITOR_ENGINE_IDENTITY_H_
#define KNALLER_MONITOR_ENGINE_IDENTITY_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace knaller::monitor {

struct EngineIdentity {
  bool borrowed = false;  // not this process's own
  uid_t host_uid = 0;
  gid_t host_gid = 0;
  // As the engine sees them in its user namespace. 0 for a borrowed one: the mount of its directory then
  // takes what is root's there for the engine's, by that namespace's own map.
  uid_t uid = 0;
  gid_t gid = 0;
};

// Of this process: borrowed for the host's root. Root of a user namespace (a rootless container) is no more
// than the user who made it, and borrows nothing.
EngineIdentity engine_identity(std::string_view vm_uuid);
// Pure: the id of a VM that is not a user's. From 1,879,048,192 to 2,147,352,575 there are none of systemd's,
// and no distribution hands any out (systemd's docs/UIDS-GIDS.md).
uid_t borrowed_id(std::string_view vm_uuid);

// What the child of a borrowed identity can't make itself; detached, for it to attach. Root only.
//
// The VM's directory, in which root's files are the engine's. kUnsupported where the file system can't show
// them so.
UniqueFd mount_as_own(int directory, int user_namespace);
// A folder with null, urandom and these of the host's devices, usable by everybody: in the host's own /dev a
// device may be for root alone.
UniqueFd mount_devices(const std::vector<std::string>& devices);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_ENGINE_IDENTITY_H_
