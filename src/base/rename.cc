#include "base/rename.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/text.h"

namespace knaller {
namespace {

bool lacks_flags() {
  return errno == EINVAL || errno == ENOSYS;
}

int rename_at(int dir, const std::string& from, const std::string& to) {
  return ::renameat(dir, from.c_str(), dir, to.c_str());
}

}  // namespace

int rename_new(int dir, const std::string& from, const std::string& to) {
  if (::renameat2(dir, from.c_str(), dir, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (!lacks_flags()) return -1;
  struct stat info {};
  if (::fstatat(dir, from.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  // rename(2) puts a directory in the place of nothing but an empty one.
  if (S_ISDIR(info.st_mode)) return rename_at(dir, from, to);
  if (::linkat(dir, from.c_str(), dir, to.c_str(), 0) != 0) return -1;
  return ::unlinkat(dir, from.c_str(), 0);
}

int exchange_names(int dir, const std::string& from, const std::string& to, const std::string& aside) {
  if (::renameat2(dir, from.c_str(), dir, to.c_str(), RENAME_EXCHANGE) == 0) return 0;
  if (!lacks_flags()) return -1;
  if (rename_at(dir, to, aside) != 0) return -1;
  if (rename_at(dir, from, to) != 0) {
    const int error = errno;
    rename_at(dir, aside, to);
    errno = error;
    return -1;
  }
  // A sweep that came between has removed it, which is what becomes of it.
  return rename_at(dir, aside, from) == 0 || errno == ENOENT ? 0 : -1;
}

bool has_rename_flags(int dir) {
  const std::string one = ".probe-" + hex(random_bytes(8));
  const std::string other = one + "-other";
  if (::mkdirat(dir, one.c_str(), 0700) != 0) return true;  // that is another row's to tell
  const bool works = ::renameat2(dir, one.c_str(), dir, other.c_str(), RENAME_NOREPLACE) == 0 &&
                     ::mkdirat(dir, one.c_str(), 0700) == 0 &&
                     ::renameat2(dir, one.c_str(), dir, other.c_str(), RENAME_EXCHANGE) == 0;
  ::unlinkat(dir, one.c_str(), AT_REMOVEDIR);
  ::unlinkat(dir, other.c_str(), AT_REMOVEDIR);
  return works;
}

}  // namespace knaller
