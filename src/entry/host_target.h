// Where on this host a copy from a guest goes.
#ifndef KNALLER_ENTRY_HOST_TARGET_H_
#define KNALLER_ENTRY_HOST_TARGET_H_

#include <sys/stat.h>

#include <string>

#include "base/fd.h"
#include "entry/path_name.h"

namespace knaller::entry {

struct HostTarget {
  UniqueFd folder;
  std::string name;  // under which the source goes there; empty: a folder's contents go into `folder`
};

// kNotFound: the folder of `path` is not there. kAlreadyExists: there is something that the source can't
// replace. kPermission: the last part of `path` leads through somebody else's link in a folder that all may
// write.
HostTarget place_on_host(const PathName& source, bool source_is_folder, const std::string& path);

// The rule of fs.protected_symlinks(5), which the kernel enforces only where it is switched on: a link in a
// sticky folder that everybody may write is followed only for its owner, and if the folder's owner made it.
bool is_foreign_link(const struct stat& link, const struct stat& folder, uid_t self);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_HOST_TARGET_H_
