// Mounts by descriptor (Linux 5.12's calls): they are made and restricted while they are attached nowhere, so
// nobody ever sees one that is not restricted yet.
#ifndef KNALLER_MONITOR_MOUNTS_H_
#define KNALLER_MONITOR_MOUNTS_H_

#include <sys/mount.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace knaller::monitor {

struct MountRules {
  uint64_t attributes = 0;  // MOUNT_ATTR_*
  bool recursive = false;
};

// Throws what errno says, with where to look for the reason.
[[noreturn]] void fail_mount(const std::string& what);

// Attributes are only ever added: the ones that a user namespace inherited are locked, and clearing them is
// refused. `what` is for the error: "restrict the mount of '/usr'". With MOUNT_ATTR_IDMAP, ids are shown as
// `user_namespace` maps them.
void set_attributes(int mount, const MountRules& rules, const std::string& what, int user_namespace = -1);
// A mount of what `source` is.
UniqueFd clone_mount(int source, bool recursive, const std::string& what);
// "tmpfs" with {"mode", "0755"}, "proc" with {"subset", "pid"}.
UniqueFd make_file_system(const char* type, const std::vector<std::pair<const char*, const char*>>& options,
                          uint64_t attributes);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_MOUNTS_H_
