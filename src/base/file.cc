#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/text.h"

namespace knaller {
namespace {

constexpr size_t kTemporaryDigits = 12;

struct SplitPath {
  std::string folder;  // "." when the path has none
  std::string name;
};

SplitPath split_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, std::max<size_t>(slash, 1)), path.substr(slash + 1)};
}

bool is_directory(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// Makes one level. Whatever mkdir() says (EEXIST, or EACCES and EROFS before it looked), a directory that is
// there will do.
void make_level(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return;
  const int saved_errno = errno;
  if (is_directory(path)) return;
  throw errno_error(saved_errno == EEXIST ? ENOTDIR : saved_errno,
                    fmt::format("make the directory '{}'", path));
}

void write_and_sync(int fd, const std::string& path, std::string_view content, Durability durability,
                    mode_t mode) {
  // The mode of open(2) is subject to the umask; this one is what the caller asked for.
  if (::fchmod(fd, mode) != 0) fail_errno("set the mode of '{}'", path);
  write_all(fd, content, fmt::format("'{}'", path));
  if (durability == Durability::kFsync) fsync_fd(fd, path);
}

// Of what getdents64() has filled a buffer with.
void add_names(std::string_view entries, size_t most, std::vector<std::string>& names) {
  while (!entries.empty() && names.size() < most) {
    const auto* const entry = reinterpret_cast<const dirent64*>(entries.data());
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    entries.remove_prefix(entry->d_reclen);
  }
}

}  // namespace

UniqueFd open_at(int dir, const std::string& path, int flags, mode_t mode) {
  while (true) {
    UniqueFd fd(::openat(dir, path.c_str(), flags | O_CLOEXEC, mode));
    if (fd) return fd;
    if (errno != EINTR) fail_errno("open '{}'", path);
  }
}

UniqueFd open_directory(const std::string& path) {
  return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
}

UniqueFd open_beneath(int dir, const std::string& path, int flags) {
  open_how how = {};
  // No O_NOFOLLOW: together with O_PATH it would open a final link itself; RESOLVE_NO_SYMLINKS alone refuses
  // it.
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
  // EAGAIN: something was renamed while ".." was looked up. Whoever renames for ever gets an error, not a
  // loop.
  int attempts = 0;
  while (true) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno == EINTR || (errno == EAGAIN && ++attempts < 32)) continue;
    if (errno == ELOOP) fail(Code::kCorrupt, "'{}' is, or passes through, a link", printable(path));
    if (errno == EXDEV) fail(Code::kCorrupt, "'{}' leaves its directory", printable(path));
    fail_errno("open '{}'", printable(path));
  }
}

UniqueFd open_untrusted(int dir, const std::string& path) {
  UniqueFd fd;
  try {
    fd = open_beneath(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  } catch (const Error&) {
    // A socket cannot be opened at all (ENXIO); say what it is rather than that.
    const auto status = stat_if_exists(dir, path);
    if (status && S_ISSOCK(status->st_mode))
      fail(Code::kCorrupt, "'{}' is not a regular file", printable(path));
    throw;
  }
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) fail_errno("look at '{}'", printable(path));
  if (!S_ISREG(status.st_mode)) fail(Code::kCorrupt, "'{}' is not a regular file", printable(path));
  return fd;
}

std::string read_file(int dir, const std::string& path, size_t limit) {
  // O_NONBLOCK: a fifo that somebody put in a file's place must not hold us up.
  const UniqueFd fd = open_at(dir, path, O_RDONLY | O_NONBLOCK);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) fail_errno("look at '{}'", path);
  if (!S_ISREG(info.st_mode)) fail(Code::kCorrupt, "'{}' is not a regular file", path);
  return read_to_end(fd.get(), limit, fmt::format("'{}'", path));
}

std::string read_file(const std::string& path, size_t limit) {
  return read_file(AT_FDCWD, path, limit);
}

std::optional<std::string> read_file_if_exists(int dir, const std::string& path, size_t limit) {
  try {
    return read_file(dir, path, limit);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    throw;
  }
}

void write_file_atomically(int dir, const std::string& path, std::string_view content, Durability durability,
                           mode_t mode) {
  const auto [folder_path, name] = split_path(path);
  const UniqueFd folder = open_at(dir, folder_path, O_RDONLY | O_DIRECTORY);
  const std::string temporary = temporary_name(name);
  const UniqueFd fd = open_at(folder.get(), temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
  try {
    write_and_sync(fd.get(), path, content, durability, mode);
    if (::renameat(folder.get(), temporary.c_str(), folder.get(), name.c_str()) != 0) {
      fail_errno("replace '{}'", path);
    }
  } catch (...) {
    ::unlinkat(folder.get(), temporary.c_str(), 0);
    throw;
  }
  if (durability == Durability::kFsync) fsync_fd(folder.get(), folder_path);
}

std::string temporary_name(const std::string& name) {
  return fmt::format(".{}.{}", name, hex(random_bytes(kTemporaryDigits / 2)));
}

bool is_unfinished_write(std::string_view name) {
  if (!name.starts_with('.') || name.size() < kTemporaryDigits + 3) return false;
  const std::string_view digits = name.substr(name.size() - kTemporaryDigits);
  return name[name.size() - kTemporaryDigits - 1] == '.' &&
         digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::vector<std::string> unfinished_writes(int dir) {
  std::vector<std::string> names = list_directory(dir);
  std::erase_if(names, [](const std::string& name) { return !is_unfinished_write(name); });
  return names;
}

void fsync_fd(int fd, std::string_view what) {
  while (::fsync(fd) != 0) {
    if (errno != EINTR) fail_errno("write '{}' to the disk", what);
  }
}

void make_directories(const std::string& path, mode_t mode) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    make_level(path.substr(0, end), mode);
  }
  make_level(path, mode);
}

std::optional<struct stat> stat_if_exists(int dir, const std::string& path) {
  struct stat status;
  if (::fstatat(dir, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  fail_errno("look at '{}'", path);
}

bool is_still_named(int dir, const std::string& name, int fd) {
  struct stat opened;
  if (::fstat(fd, &opened) != 0) fail_errno("look at what was '{}'", name);
  const auto named = stat_if_exists(dir, name);
  return named && named->st_dev == opened.st_dev && named->st_ino == opened.st_ino;
}

bool exists(const std::string& path) {
  return stat_if_exists(AT_FDCWD, path).has_value();
}

std::vector<std::string> list_unread_directory(int dir, size_t most) {
  std::vector<std::string> names;
  alignas(dirent64) std::array<char, 32 << 10> buffer;
  ssize_t got = 0;
  while (names.size() < most && (got = ::getdents64(dir, buffer.data(), buffer.size())) > 0)
    add_names(std::string_view(buffer.data(), static_cast<size_t>(got)), most, names);
  if (got < 0 && errno != ENOENT) fail_errno("list a directory");  // ENOENT: it has been removed meanwhile
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> next_names(int dir) {
  std::vector<std::string> names;
  alignas(dirent64) std::array<char, 32 << 10> buffer;
  ssize_t got = 1;
  while (names.empty() && (got = ::getdents64(dir, buffer.data(), buffer.size())) > 0)
    add_names(std::string_view(buffer.data(), static_cast<size_t>(got)), SIZE_MAX, names);
  if (got < 0 && errno != ENOENT) fail_errno("list a directory");  // as above
  return names;
}

std::vector<std::string> list_directory(int dir, size_t most) {
  // Opened anew: reading moves an offset that duplicates would share, and `dir` may be an O_PATH descriptor.
  return list_unread_directory(open_at(dir, ".", O_RDONLY | O_DIRECTORY).get(), most);
}

uint64_t file_size(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) fail_errno("get the size of a file");
  return static_cast<uint64_t>(status.st_size);
}

uint64_t allocated_bytes(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) fail_errno("get the size of a file");
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

}  // namespace knaller
