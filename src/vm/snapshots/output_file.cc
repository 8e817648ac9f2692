#include "vm/snapshots/output_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/rename.h"
#include "base/text.h"

namespace knaller::vm {
namespace {

// The kernel looks for a signal only between calls.
constexpr size_t kMostAtOnce = 1 << 20;

}  // namespace

OutputStream::OutputStream(int fd) : fd_(fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) fail_errno("look at where to write");
  is_socket_ = S_ISSOCK(info.st_mode);
  if (!S_ISFIFO(info.st_mode)) return;
  // Where that is not allowed, a write waits for its reader, deaf to the caller.
  own_.reset(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (own_) fd_ = own_.get();
}

void OutputStream::write(std::string_view data, const Deadline& deadline) {
  while (!data.empty()) {
    wait_writable(fd_, deadline, "whoever reads the stream");
    const size_t size = std::min(data.size(), kMostAtOnce);
    const ssize_t done = is_socket_ ? ::send(fd_, data.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT)
                                    : write_without_sigpipe(fd_, data.substr(0, size));
    if (done < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (done < 0) fail_errno("write the stream");
    written_ += static_cast<uint64_t>(done);
    data.remove_prefix(static_cast<size_t>(done));
  }
}

OutputFile::OutputFile(const std::string& path, Existing existing) : path_(path), existing_(existing) {
  const size_t slash = path.rfind('/');
  name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const auto there = stat_if_exists(AT_FDCWD, path);
  if (name_.empty() || (there && S_ISDIR(there->st_mode)))
    fail(Code::kInvalidArgument, "'{}' is a folder: name a file", path);
  if (there && !S_ISREG(there->st_mode))
    throw Error(Code::kInvalidArgument, fmt::format("'{}' is not a regular file", path),
                "write to standard output instead: -");
  if (there && existing == Existing::kRefused)
    throw Error(Code::kAlreadyExists, fmt::format("'{}' exists already", path), "--force replaces it");
  folder_ = open_directory(folder);
  fd_.reset(::openat(folder_.get(), ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  if (fd_) return;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) fail_errno("make a file in '{}'", folder);
  temporary_ = fmt::format(".{}.{}", name_.substr(0, 200), hex(random_bytes(6)));
  fd_ = open_at(folder_.get(), temporary_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlinkat(folder_.get(), temporary_.c_str(), 0);
}

void OutputFile::link_as(const std::string& name) {
  const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
  if (::linkat(AT_FDCWD, self.c_str(), folder_.get(), name.c_str(), AT_SYMLINK_FOLLOW) != 0)
    fail_errno("give '{}' its name", path_);
}

void OutputFile::publish() {
  fsync_fd(fd_.get(), path_);
  if (existing_ == Existing::kRefused && temporary_.empty()) {
    link_as(name_);
  } else {
    if (temporary_.empty()) {
      const std::string beside = fmt::format(".{}.{}", name_.substr(0, 200), hex(random_bytes(6)));
      link_as(beside);
      temporary_ = beside;
    }
    const int dir = folder_.get();
    const bool replaces = existing_ == Existing::kReplaced;
    if ((replaces ? ::renameat(dir, temporary_.c_str(), dir, name_.c_str())
                  : rename_new(dir, temporary_, name_)) != 0)
      fail_errno("give '{}' its name", path_);
    temporary_.clear();
  }
  fsync_fd(folder_.get(), "the folder of " + path_);
}

}  // namespace knaller::vm
