// Renames that never overwrite, and that exchange two names in one step: renameat2(2) with RENAME_NOREPLACE
// and RENAME_EXCHANGE, and substitutes for file systems (NFS, FUSE, ZFS before 2.2) and seccomp filters that
// answer these flags with EINVAL or ENOSYS.
//
// As the system calls: 0, or -1 with errno. Safe for concurrent use as far as the names are locked by the
// caller.
#ifndef KNALLER_BASE_RENAME_H_
#define KNALLER_BASE_RENAME_H_

#include <string>

namespace knaller {

// EEXIST, or ENOTEMPTY of a directory, where `to` is taken. Without the flags, a directory may take the place
// of an empty one, and a file has both names for a moment.
int rename_new(int dir, const std::string& from, const std::string& to);
// Exchanges the names of `from` and `to`, which both exist. Without the flags this takes three steps: `to` is
// renamed `aside`, `from` `to`, and `aside` `from`. An interruption in between leaves `aside`: if there is no
// `to`, it is the old one and must get its name back; otherwise it must go.
int exchange_names(int dir, const std::string& from, const std::string& to, const std::string& aside);

// Tries it, with directories that it makes in `dir` and removes.
bool has_rename_flags(int dir);

}  // namespace knaller

#endif  // KNALLER_BASE_RENAME_H_
