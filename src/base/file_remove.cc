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
// Names that are read of a directory at once: there may be millions.
constexpr size_t kBatch = 4096;

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
  TreeRemover(int top, const Deadline& deadline) : top_(top), deadline_(deadline) {}

  // Until there is nothing in it.
  void empty(int dir, int depth) {
    while (true) {
      const auto entries = list_directory(dir, kBatch);
      if (entries.empty()) return;
      for (const auto& entry : entries) remove(dir, entry, depth);
    }
  }

 private:
  void remove(int dir, const std::string& name, int depth) {
    if (deadline_.expired() || deadline_.stopped())
      deadline_.check(fmt::format("the removal of '{}'", printable(name)));
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
      if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return;
      if (errno != EISDIR) fail_errno("remove '{}'", printable(name));
      if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
      if (errno == ENOTDIR) continue;
      if (errno != ENOTEMPTY && errno != EEXIST) fail_errno("remove '{}'", printable(name));
      if (depth >= kMostDepth && move_to_top(dir, name)) return;
      const UniqueFd inner = open_to_empty(dir, name);
      if (!inner) continue;
      empty(inner.get(), depth + 1);
    }
    fail(Code::kBusy, "cannot remove '{}': something keeps filling it", printable(name));
  }

  // The emptying of the top goes on until nothing is left, so what is moved there is removed with it.
  bool move_to_top(int dir, const std::string& name) {
    // To move a directory is to change its "..", for which it must be writable.
    if (!open_to_empty(dir, name)) return false;
    if (::renameat(dir, name.c_str(), top_, hex(random_bytes(8)).c_str()) == 0 || errno == ENOENT)
      return true;
    fail_errno("move '{}' to remove it", printable(name));
  }

  int top_;
  const Deadline& deadline_;
};

bool remove_if_simple(int dir, const std::string& name) {
  if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR) fail_errno("remove '{}'", printable(name));
  return false;
}

}  // namespace

void remove_tree(int dir, const std::string& name, const Deadline& deadline) {
  if (remove_if_simple(dir, name)) return;
  const UniqueFd top = open_to_empty(dir, name);
  if (!top) return;
  TreeRemover remover(top.get(), deadline);
  // Again and again: deep directories were moved up here, and others may still be adding.
  for (int pass = 0; pass < kMostPasses; ++pass) {
    remover.empty(top.get(), 1);
    if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (errno != ENOTEMPTY && errno != EEXIST) fail_errno("remove '{}'", printable(name));
  }
  fail(Code::kBusy, "cannot remove '{}': something keeps filling it", printable(name));
}

void clear_name(int dir, const std::string& name, int aside, const Deadline& deadline) {
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    if (remove_if_simple(dir, name)) return;
    if (!open_to_empty(dir, name)) continue;  // to move a directory is to change its "..", as above
    const std::string moved = temporary_name(name);
    if (::renameat(dir, name.c_str(), aside, moved.c_str()) != 0) {
      if (errno == ENOENT || errno == EACCES) continue;  // it is changed meanwhile
      fail_errno("move '{}' to remove it", printable(name));
    }
    try {
      return remove_tree(aside, moved, deadline);
    } catch (const Error& error) {
      if (error.code() == Code::kTimeout || error.code() == Code::kBusy) return;
      throw;
    }
  }
  fail(Code::kBusy, "cannot remove '{}': something keeps making it", printable(name));
}

}  // namespace knaller
