#include "agent/names.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace knaller::agent {
namespace {

constexpr unsigned kNoReplace = 1;  // RENAME_NOREPLACE, which <linux/fs.h> has beside what collides

}  // namespace

std::string hidden_name() {
  uint64_t number = 0;
  (void)!getrandom(&number, sizeof number, 0);
  char name[32];
  snprintf(name, sizeof name, ".knaller-%016llx", static_cast<unsigned long long>(number));
  return name;
}

mode_t current_umask() {
  const mode_t mask = umask(0);
  umask(mask);
  return mask;
}

int rename_new(int folder, const std::string& from, const std::string& to) {
  if (syscall(SYS_renameat2, folder, from.c_str(), folder, to.c_str(), kNoReplace) == 0) return 0;
  // File systems without the flag.
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (faccessat(folder, to.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return -1;
  }
  return renameat(folder, from.c_str(), folder, to.c_str());
}

void remove_tree(int folder, const std::string& name) {
  if (unlinkat(folder, name.c_str(), 0) == 0 || (errno != EISDIR && errno != EPERM)) return;
  const int inside = openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (inside < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(inside), closedir);
  if (!stream) {
    close(inside);
    return;
  }
  while (const dirent* entry = readdir(stream.get())) {
    const std::string child = entry->d_name;
    if (child != "." && child != "..") remove_tree(inside, child);
  }
  unlinkat(folder, name.c_str(), AT_REMOVEDIR);
}

bool write_at(int file, std::string_view bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return true;
}

}  // namespace knaller::agent
