// Who owns a folder: knaller runs engines that its home names and believes what it finds there, so nobody
// else may write there.
#ifndef KNALLER_STORE_OWNER_H_
#define KNALLER_STORE_OWNER_H_

#include <sys/stat.h>

#include <string>

namespace knaller::store {

// kPermission, with what to do, unless the folder is this user's, or root's, and nobody else may write in it.
// Root uses only root's. A group that is this user's alone may write, as sshd(8) of Debian allows: where
// every user has a group of their own, umask 002 makes all folders group-writable.
void require_own_folder(int folder, const std::string& path);

// The same as a sentence for errors; empty when nothing is wrong. `own_group`: the folder's group is this
// user's alone. Pure.
std::string why_not_own(const struct stat& folder, uid_t self, bool own_group);

// kPermission, with what to do, unless an entry of the home, or its record, is this user's or root's. A
// folder that is safe now may not have been when somebody put it there.
void require_own_entry(int fd, const std::string& path);

}  // namespace knaller::store

#endif  // KNALLER_STORE_OWNER_H_
