#include "copy/tree_sender.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <optional>
#include <vector>

#include "channel/message.h"

namespace knaller::copy {
namespace {

using channel::CopyEntry;
using channel::Frame;
using channel::Kind;

constexpr size_t kOffsetBytes = sizeof(uint64_t);
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
// Of one entry, names and values together: what ext4 keeps in its own block, and what fits into a frame.
constexpr size_t kMostXattrBytes = 32 << 10;

bool is_gone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

std::string below(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "/" + name;
}

bool read_link(int folder, const std::string& name, std::string* target) {
  char text[PATH_MAX];
  const ssize_t size = ::readlinkat(folder, name.c_str(), text, sizeof text);
  if (size < 0) return false;
  target->assign(text, static_cast<size_t>(size));
  return true;
}

// In order, so that the same folder is always sent the same way. Nothing when it can't be read (errno).
std::optional<std::vector<std::string>> names_in(int folder) {
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return std::nullopt;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
  if (!stream) {
    const int error = errno;
    ::close(copy);
    errno = error;
    return std::nullopt;
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return std::nullopt;
  std::sort(names.begin(), names.end());
  return names;
}

// What of a file will be sent, as far as can be said before.
uint64_t content_of(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return 0;
  return static_cast<uint64_t>(std::min<int64_t>(status.st_size, status.st_blocks * 512));
}

// What can't be looked at is not counted: the copy itself will say so.
uint64_t content_below(int folder) {
  uint64_t sum = 0;
  const auto names = names_in(folder);
  if (!names) return 0;
  for (const std::string& name : *names) {
    struct stat status {};
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    sum += content_of(status);
    if (!S_ISDIR(status.st_mode)) continue;
    const Descriptor child(::openat(folder, name.c_str(), kOpenFlags | O_DIRECTORY | O_NOFOLLOW));
    if (child) sum += content_below(child.get());
  }
  return sum;
}

// Which of a file's extended attributes mean something elsewhere.
bool is_portable(const std::string& name) {
  return name.starts_with("user.") || name.starts_with("system.posix_acl_") || name == "security.capability";
}

}  // namespace

bool open_source(int folder, const std::string& path, bool keep_link, Source* source, Failure* failure) {
  const auto fail = [&](const char* what) {
    *failure = {errno, what + (" '" + path + "'")};
    return false;
  };
  if (::fstatat(folder, path.c_str(), &source->status, keep_link ? AT_SYMLINK_NOFOLLOW : 0) != 0)
    return fail("copy");
  if (S_ISLNK(source->status.st_mode)) return read_link(folder, path, &source->link) || fail("read the link");
  const mode_t mode = source->status.st_mode;
  if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISFIFO(mode)) return true;
  source->file = Descriptor(::openat(folder, path.c_str(), kOpenFlags));
  if (!source->file || ::fstat(source->file.get(), &source->status) != 0) return fail("open");
  return true;
}

bool TreeSender::send(const Source& source) {
  const struct stat& status = source.status;
  if (S_ISLNK(status.st_mode)) return send_link("", status, source.link);
  if (S_ISDIR(status.st_mode)) return send_folder(source.file.get(), "", status);
  if (S_ISREG(status.st_mode)) return send_file(source.file.get(), "", status);
  return send_note(CopyEntry::Kind::kLeftOut, "");
}

bool TreeSender::send_stream(int input, uint32_t mode, const std::function<bool()>& wait) {
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  uint64_t end = 0;
  return send_entry({.kind = CopyEntry::Kind::kFile,
                     .path = "",
                     .mode = mode,
                     .modified = now.tv_sec,
                     .nanoseconds = static_cast<uint32_t>(now.tv_nsec),
                     .target = "",
                     .xattrs = {}}) &&
         send_until_end(input, "", wait, &end) && send_end(end);
}

bool TreeSender::send_file(int file, const std::string& path, const struct stat& status) {
  if (status.st_nlink > 1) {
    const auto [first, is_new] = linked_.try_emplace({status.st_dev, status.st_ino}, path);
    if (!is_new) {
      CopyEntry entry = entry_of(CopyEntry::Kind::kHardLink, path, status);
      entry.target = first->second;
      return send_entry(entry);
    }
  }
  CopyEntry entry = entry_of(CopyEntry::Kind::kFile, path, status);
  if (path.empty() && options_.count) entry.total = content_of(status);
  if (!read_xattrs(file, path, &entry) || !send_entry(entry)) return false;
  uint64_t end = 0;
  // Files of /proc and the like say that they are empty.
  if (!(entry.size > 0 ? send_content(file, path, entry.size, &end) : send_until_end(file, path, {}, &end)))
    return false;
  struct stat now = status;
  ::fstat(file, &now);
  if (!send_end(end)) return false;
  return now.st_size == status.st_size || send_note(CopyEntry::Kind::kChanged, path);
}

// Stretch by stretch, without the holes. A file system that knows none says that all is data.
bool TreeSender::send_content(int file, const std::string& path, uint64_t size, uint64_t* end) {
  uint64_t at = 0;
  while (at < size) {
    const off_t data = ::lseek(file, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    const off_t hole = data < 0 ? -1 : ::lseek(file, data, SEEK_HOLE);
    at = data < 0 ? at : static_cast<uint64_t>(data);
    uint64_t stop = hole < 0 ? size : std::min(size, static_cast<uint64_t>(hole));
    while (at < stop) {
      const size_t most = static_cast<size_t>(std::min<uint64_t>(stop - at, channel::kMostCopyBytes));
      const ssize_t got = ::pread(file, data_.data() + kOffsetBytes, most, static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail("read", path);
      if (got == 0) {
        // Somebody made it shorter.
        *end = at;
        return true;
      }
      if (!send_data(at, static_cast<size_t>(got))) return false;
      at += static_cast<uint64_t>(got);
    }
  }
  struct stat now {};
  *end = ::fstat(file, &now) == 0 ? std::min(size, static_cast<uint64_t>(now.st_size)) : size;
  return true;
}

bool TreeSender::send_until_end(int file, const std::string& path, const std::function<bool()>& wait,
                                uint64_t* end) {
  while (!wait || wait()) {
    const ssize_t got = ::read(file, data_.data() + kOffsetBytes, channel::kMostCopyBytes);
    if (got == 0) return true;
    if (got < 0 && (errno == EINTR || (wait && errno == EAGAIN))) continue;
    if (got < 0) return fail("read", path);
    if (!send_data(*end, static_cast<size_t>(got))) return false;
    *end += static_cast<uint64_t>(got);
  }
  return false;
}

bool TreeSender::send_folder(int folder, const std::string& path, const struct stat& status) {
  CopyEntry entry = entry_of(CopyEntry::Kind::kFolder, path, status);
  if (path.empty() && options_.count) entry.total = content_below(folder);
  if (!read_xattrs(folder, path, &entry) || !send_entry(entry)) return false;
  const auto names = names_in(folder);
  if (!names) return fail("read the folder", path);
  for (const std::string& name : *names)
    if (!send_child(folder, name, below(path, name))) return false;
  return true;
}

bool TreeSender::send_child(int folder, const std::string& name, const std::string& path) {
  struct stat status {};
  if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return is_gone(errno) ? send_note(CopyEntry::Kind::kVanished, path) : fail("look at", path);
  if (S_ISLNK(status.st_mode)) {
    std::string target;
    if (!read_link(folder, name, &target)) return send_note(CopyEntry::Kind::kVanished, path);
    return send_link(path, status, std::move(target));
  }
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return send_note(CopyEntry::Kind::kLeftOut, path);
  const Descriptor child(::openat(folder, name.c_str(), kOpenFlags | O_NOFOLLOW));
  if (!child) return is_gone(errno) ? send_note(CopyEntry::Kind::kVanished, path) : fail("open", path);
  if (::fstat(child.get(), &status) != 0) return fail("look at", path);
  if (S_ISDIR(status.st_mode)) return send_folder(child.get(), path, status);
  if (S_ISREG(status.st_mode)) return send_file(child.get(), path, status);
  return send_note(CopyEntry::Kind::kLeftOut, path);
}

bool TreeSender::send_link(const std::string& path, const struct stat& status, std::string target) {
  CopyEntry entry = entry_of(CopyEntry::Kind::kLink, path, status);
  entry.target = std::move(target);
  return send_entry(entry);
}

bool TreeSender::send_note(CopyEntry::Kind kind, const std::string& path) {
  CopyEntry entry;
  entry.kind = kind;
  entry.path = path;
  return send_entry(entry);
}

bool TreeSender::send_entry(const CopyEntry& entry) {
  const std::string payload = encode(entry);
  if (payload.size() > channel::kMostPayload) {
    errno = ENAMETOOLONG;
    return fail("send", entry.path);
  }
  return take_({.kind = Kind::kEntry, .stream = options_.stream, .payload = payload});
}

bool TreeSender::send_data(uint64_t at, size_t bytes) {
  for (size_t i = 0; i < kOffsetBytes; ++i) data_[i] = static_cast<char>(at >> (8 * i));
  return take_({.kind = Kind::kData,
                .channel = options_.channel,
                .stream = options_.stream,
                .payload = std::string_view(data_).substr(0, kOffsetBytes + bytes)});
}

bool TreeSender::send_end(uint64_t size) {
  return take_({.kind = Kind::kEnd,
                .channel = options_.channel,
                .stream = options_.stream,
                .payload = channel::encode_position(size)});
}

bool TreeSender::read_xattrs(int file, const std::string& path, CopyEntry* entry) {
  if (!options_.xattrs) return true;
  std::array<char, kMostXattrBytes> names;
  const ssize_t size = ::flistxattr(file, names.data(), names.size());
  if (size < 0 && errno == ENOTSUP) return true;
  if (size < 0) return fail("list the extended attributes of", path);
  size_t sum = 0;
  for (size_t at = 0; at < static_cast<size_t>(size);) {
    const std::string name = names.data() + at;
    at += name.size() + 1;
    if (!is_portable(name)) continue;
    std::array<char, kMostXattrBytes> value;
    const ssize_t length = ::fgetxattr(file, name.c_str(), value.data(), value.size());
    if (length < 0 && errno == ENODATA) continue;
    if (length < 0) return fail("read an extended attribute of", path);
    sum += name.size() + static_cast<size_t>(length);
    errno = E2BIG;
    if (sum > kMostXattrBytes) return fail("send the extended attributes of", path);
    entry->xattrs.push_back({.name = name, .value = {value.data(), static_cast<size_t>(length)}});
  }
  return true;
}

CopyEntry TreeSender::entry_of(CopyEntry::Kind kind, const std::string& path, const struct stat& status) {
  return {.kind = kind,
          .path = path,
          .mode = status.st_mode & 07777,
          .modified = status.st_mtim.tv_sec,
          .nanoseconds = static_cast<uint32_t>(status.st_mtim.tv_nsec),
          .owner = status.st_uid,
          .group = status.st_gid,
          .size = S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0,
          .target = "",
          .xattrs = {}};
}

bool TreeSender::fail(const char* what, const std::string& path) {
  failure_ = {errno, what + std::string(path.empty() ? " it" : " '" + path + "'")};
  return false;
}

}  // namespace knaller::copy
