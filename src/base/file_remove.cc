// remove_tree(): trees that an engine may have built and may still be changing. Every step is relative to a
// descriptor of the directory itself, so that a directory that is swapped for a link leads nowhere.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {
namespace {

// Each level holds a descriptor. What lies deeper is first moved up to the top, so no depth can exhaust them.
constexpr int kMostDepth = 32;
// How often a directory is emptied that somebody fills again meanwhile.
constexpr int kMostAttempts = 100;
// Each pass takes away kMostDepth levels: this is three million of them.
constexpr int kMostPasses = 100'000;

// Nothing when it vanished or is no directory any more.
UniqueFd open_to_empty(int dir, const std::string& name) {
  UniqueFd path_fd(::openat(dir, name.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
  if (!path_fd && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) return {};
  if (!path_fd) fail_errno("open '{}' to remove it", printable(name));
  struct stat status;
  if (::fstat(path_fd.get(), &status) != 0) fail_errno("look at '{}'", printable(name));
  if ((status.st_mode & S_IRWXU) != S_IRWXU) {
    // chmod by name would follow a link put there meanwhile, and fchmod(2) takes no O_PATH descriptor (Linux
    // < 6.6). When it is refused, the open below tells why.
    const std::string self = fmt::format("/proc/self/fd/{}", path_fd.get());
    if (::chmod(self.c_str(), S_IRWXU) != 0 && errno != EPERM)
      fail_errno("change the mode of '{}'", printable(name));
  }
  return open_at(path_fd.get(), ".", O_RDONLY | O_DIRECTORY);
}

class TreeRemover {
 public:
  explicit TreeRemover(int top) : top_(top) {}

  void remove(int dir, const std::string& name, int depth) {
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
      if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return;
      if (errno != EISDIR) fail_errno("remove '{}'", printable(name));
      if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
      if (errno == ENOTDIR) continue;
      if (errno != ENOTEMPTY && errno != EEXIST) fail_errno("remove '{}'", printable(name));
      if (depth >= kMostDepth && move_to_top(dir, name)) return;
      const UniqueFd inner = open_to_empty(dir, name);
      if (!inner) continue;
      for (const auto& entry : list_directory(inner.get())) remove(inner.get(), entry, depth + 1);
    }
    fail(Code::kBusy, "cannot remove '{}': something keeps filling it", printable(name));
  }

 private:
  // The emptying of the top goes on until nothing is left, so what is moved there is removed with it.
  bool move_to_top(int dir, const std::string& name) {
    // To move a directory is to change its "..", for which it must be writable.
    if (!open_to_empty(dir, name)) return false;
    if (::renameat(dir, name.c_str(), top_, hex(random_bytes(8)).c_str()) == 0 || errno == ENOENT)
      return true;
    fail_errno("move '{}' to remove it", printable(name));
  }

  int top_;
};

}  // namespace

void remove_tree(int dir, const std::string& name) {
  if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR) fail_errno("remove '{}'", printable(name));
  const UniqueFd top = open_to_empty(dir, name);
  if (!top) return;
  TreeRemover remover(top.get());
  // Again and again: deep directories were moved up here, and others may still be adding.
  for (int pass = 0; pass < kMostPasses; ++pass) {
    for (const auto& entry : list_directory(top.get())) remover.remove(top.get(), entry, 1);
    if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (errno != ENOTEMPTY && errno != EEXIST) fail_errno("remove '{}'", printable(name));
  }
  fail(Code::kBusy, "cannot remove '{}': something keeps filling it", printable(name));
}

}  // namespace knaller
