#include "image/guest/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <string_view>

namespace knaller::guest_helper {
namespace {

constexpr size_t kMostFileBytes = 16 << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    const int saved_errno = errno;
    if (fd_ >= 0) close(fd_);
    errno = saved_errno;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

int open_in(const std::string& root, const std::string& path, int flags, mode_t mode = 0) {
  const Descriptor top(open(root.empty() ? "/" : root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return -1;
  open_how how{};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, top.get(), path.c_str(), &how, sizeof(how)));
}

bool fail_with(int error) {
  errno = error;
  return false;
}

bool write_at(int fd, std::string_view content, off_t at) {
  while (!content.empty()) {
    const ssize_t count = pwrite(fd, content.data(), content.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    content.remove_prefix(static_cast<size_t>(count));
    at += count;
  }
  return true;
}

bool read_whole(int fd, std::string* content) {
  content->clear();
  struct stat status {};
  if (fstat(fd, &status) != 0) return false;
  if (!S_ISREG(status.st_mode)) return fail_with(ENODATA);
  char buffer[4096];
  ssize_t count = 0;
  while ((count = read(fd, buffer, sizeof(buffer))) > 0 || (count < 0 && errno == EINTR)) {
    if (count > 0) content->append(buffer, static_cast<size_t>(count));
    if (content->size() > kMostFileBytes) return fail_with(EFBIG);
  }
  return count == 0;
}

// Access control lists and labels. What the file system does not take is left.
void copy_attributes(int from, int to) {
  char names[4096];
  const ssize_t length = flistxattr(from, names, sizeof(names));
  for (ssize_t at = 0; at < length;) {
    const char* name = names + at;
    at += static_cast<ssize_t>(std::string_view(name).size()) + 1;
    char value[4096];
    const ssize_t size = fgetxattr(from, name, value, sizeof(value));
    if (size >= 0) fsetxattr(to, name, value, static_cast<size_t>(size), 0);
  }
}

bool make_beside(const std::string& temporary, const std::string& content, mode_t mode, int like) {
  const Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file || !write_at(file.get(), content, 0)) return false;
  struct stat status {};
  if (like >= 0) {
    if (fstat(like, &status) != 0 || fchown(file.get(), status.st_uid, status.st_gid) != 0) return false;
    mode = status.st_mode & 07777;
  }
  if (fchmod(file.get(), mode) != 0) return false;
  if (like >= 0) copy_attributes(like, file.get());
  return true;
}

// `path` without links. `like`: the file that it replaces; -1: none.
bool rename_over(const std::string& path, const std::string& content, mode_t mode, int like) {
  const std::string temporary = path + ".knaller-new";
  if (make_beside(temporary, content, mode, like) && rename(temporary.c_str(), path.c_str()) == 0)
    return true;
  const int saved_errno = errno;
  unlink(temporary.c_str());
  errno = saved_errno;
  return false;
}

// For a file of several names, or one that something is mounted on. Longer first: what does not fit is found
// before anything is lost.
bool rewrite(int fd, const std::string& content, const std::string& before) {
  const bool done = write_at(fd, content, 0) && ftruncate(fd, static_cast<off_t>(content.size())) == 0;
  if (done) return true;
  const int saved_errno = errno;
  if (write_at(fd, before, 0)) {
    if (ftruncate(fd, static_cast<off_t>(before.size())) != 0) return false;
  }
  errno = saved_errno;
  return false;
}

// Where a descriptor's file is, without links. Empty when it has no name.
std::string path_of(int fd) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), path, sizeof(path));
  return length <= 0 || path[0] != '/' ? std::string() : std::string(path, static_cast<size_t>(length));
}

bool create(const std::string& root, const std::string& path, const std::string& content, mode_t mode) {
  // A link to a file that is not there yet: its owner's affair.
  struct stat link {};
  if (lstat((root + path).c_str(), &link) == 0) return fail_with(ENOENT);
  const Descriptor parent(open_in(root, path.substr(0, path.rfind('/') + 1), O_PATH | O_DIRECTORY));
  if (!parent) return false;
  return rename_over("/proc/self/fd/" + std::to_string(parent.get()) + path.substr(path.rfind('/')), content,
                     mode, -1);
}

}  // namespace

bool read_file(const std::string& path, std::string* content) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return file && read_whole(file.get(), content);
}

bool read_file_in(const std::string& root, const std::string& path, std::string* content) {
  content->clear();
  const Descriptor file(open_in(root, path, O_RDONLY | O_NONBLOCK));
  return file && read_whole(file.get(), content);
}

bool replace_file(const std::string& root, const std::string& path, const std::string& content, mode_t mode) {
  const Descriptor old(open_in(root, path, O_RDONLY | O_NONBLOCK));
  if (!old) return errno == ENOENT && create(root, path, content, mode);
  std::string before;
  if (!read_whole(old.get(), &before)) return false;
  if (before == content) return true;
  struct stat status {};
  if (fstat(old.get(), &status) != 0) return false;
  const std::string real = path_of(old.get());
  if (status.st_nlink == 1 && !real.empty()) {
    if (rename_over(real, content, mode, old.get())) return true;
    if (errno != EBUSY) return false;
  }
  const Descriptor file(open_in(root, path, O_WRONLY | O_NONBLOCK));
  return file && rewrite(file.get(), content, before);
}

bool append_line(const std::string& root, const std::string& path, const std::string& line, mode_t mode) {
  const Descriptor file(open_in(root, path, O_RDWR | O_CREAT | O_NONBLOCK, mode));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0) return false;
  if (!S_ISREG(status.st_mode)) return fail_with(ENODATA);
  char last = '\n';
  if (status.st_size > 0 && pread(file.get(), &last, 1, status.st_size - 1) != 1) return false;
  const std::string text = (last == '\n' ? "" : "\n") + line + '\n';
  if (write_at(file.get(), text, status.st_size)) return true;
  const int saved_errno = errno;
  // Half of a line would be worse than none.
  if (ftruncate(file.get(), status.st_size) != 0) return false;
  errno = saved_errno;
  return false;
}

}  // namespace knaller::guest_helper
