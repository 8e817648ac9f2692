// Renames that never overwrite, and that change two names in one step: renameat2(2) with RENAME_NOREPLACE and
// RENAME_EXCHANGE, and other ways to them for file systems (NFS, FUSE, ZFS before 2.2) and seccomp filters
// that answer these flags with EINVAL or ENOSYS.
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
// `from` and `to`, which are both there, change their names. Without the flags in three steps: `to` is called
// `aside`, `from` is called `to`, `aside` is called `from`. Who was interrupted in between left `aside`: if
// there is no `to`, it is the old one and has to get its name back; else it has to go.
int exchange_names(int dir, const std::string& from, const std::string& to, const std::string& aside);

// Tries it, with directories that it makes in `dir` and removes.
bool has_rename_flags(int dir);

}  // namespace knaller

#endif  // KNALLER_BASE_RENAME_H_
