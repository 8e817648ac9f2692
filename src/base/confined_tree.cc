#include "base/confined_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {
namespace {

constexpr size_t kMostPathBytes = 4096;
// Of a set or map, with what an allocator adds.
constexpr uint64_t kNodeBytes = 64;

std::string shown(const PathParts& path) {
  return printable(fmt::format("{}", fmt::join(path, "/")));
}

std::array<timespec, 2> times_of(const FileAttributes& attributes) {
  return {timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, attributes.modified};
}

// umask(2) can only be asked by setting it, which other threads would notice.
mode_t umask_of_this_process() {
  constexpr mode_t kCautious = 077;
  const std::string status = read_file("/proc/self/status");
  const size_t at = status.find("\nUmask:");
  if (at == std::string::npos) return kCautious;
  return static_cast<mode_t>(std::strtoul(status.c_str() + at + 7, nullptr, 8)) & 0777;
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "folder";
  if (S_ISFIFO(mode)) return "pipe";
  if (S_ISSOCK(mode)) return "socket";
  return S_ISLNK(mode) ? "link" : "device";
}

std::pair<dev_t, ino_t> identity_of(const struct stat& status) {
  return {status.st_dev, status.st_ino};
}

[[noreturn]] void refuse_path(std::string_view path, std::string_view why) {
  fail(Code::kCorrupt, "'{}' can't be unpacked: it {}", printable(path.substr(0, 200)), why);
}

void rename_over(int folder, const std::string& from, const std::string& to, const std::string& shown_path) {
  if (::renameat(folder, from.c_str(), folder, to.c_str()) == 0) return;
  const int saved_errno = errno;
  ::unlinkat(folder, from.c_str(), 0);
  if (saved_errno == EISDIR)
    fail(Code::kAlreadyExists, "cannot replace the folder '{}' by a file", shown_path);
  throw errno_error(saved_errno, fmt::format("make '{}'", shown_path));
}

}  // namespace

std::string hidden_name() {
  return ".knaller-" + hex(random_bytes(8));
}

std::string read_link(int folder, const std::string& name) {
  std::string target(kMostPathBytes, '\0');
  const ssize_t size = ::readlinkat(folder, name.c_str(), target.data(), target.size());
  if (size < 0) fail_errno("read the link '{}'", printable(name));
  target.resize(static_cast<size_t>(size));
  return target;
}

PathParts confined_parts(std::string_view path) {
  if (path.empty() || path.size() > kMostPathBytes) refuse_path(path, "is not the name of a file");
  if (path.find('\0') != std::string_view::npos) refuse_path(path, "is not the name of a file");
  if (path.front() == '/') refuse_path(path, "leads out of the folder");
  PathParts parts;
  for (const auto part : split(path, '/')) {
    if (part == "..") refuse_path(path, "leads out of the folder");
    if (!part.empty() && part != ".") parts.emplace_back(part);
  }
  return parts;
}

ConfinedTree::ConfinedTree(UniqueFd root, uint64_t most_kept)
    : root_(std::move(root)), umask_(umask_of_this_process()), left_(most_kept) {}

void ConfinedTree::keep(uint64_t bytes) {
  if (bytes > left_)
    throw Error(Code::kExhausted, "there are more files and folders than can be kept in memory",
                "copy or extract parts of them, one after the other");
  left_ -= bytes;
}

// Links that were unpacked are not looked through: they may lead anywhere.
void ConfinedTree::check_replaceable(int folder, const std::string& name, const PathParts& path,
                                     const std::string* link_target) const {
  const auto there = stat_if_exists(folder, name);
  if (!there || S_ISREG(there->st_mode)) return;
  const bool is_link = S_ISLNK(there->st_mode);
  struct stat behind = *there;
  if (is_link) {
    if (links_.contains(identity_of(*there))) return;
    if (link_target != nullptr && *link_target == read_link(folder, name)) return;
    // One that leads nowhere is replaced; behind one that may not be followed, anything can be.
    if (::fstatat(folder, name.c_str(), &behind, 0) != 0) {
      if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR) return;
      fail_errno("look behind the link '{}'", shown(path));
    }
    if (S_ISREG(behind.st_mode)) return;
  }
  throw Error(Code::kAlreadyExists,
              fmt::format("'{}' is a {}{}, which no copy replaces", shown(path), is_link ? "link to a " : "",
                          kind_of(behind.st_mode)),
              "move it away, or copy to another name");
}

UniqueFd ConfinedTree::open_folder(const PathParts& path, size_t depth, int flags) const {
  if (depth == 0) return root_.duplicate();
  std::string name;
  for (size_t i = 0; i < depth; ++i) name += (i == 0 ? "" : "/") + path[i];
  try {
    return open_beneath(root_.get(), name, flags | O_DIRECTORY);
  } catch (const Error& error) {
    // ENOENT and ENOTDIR: archives bring a folder before what lies in it.
    if (error.code() == Code::kNotFound || error.code() == Code::kInvalidArgument)
      refuse_path(shown(path), "lies in a folder that did not come before it");
    throw;
  }
}

UniqueFd ConfinedTree::open_parent(const PathParts& path) const {
  if (path.empty()) refuse_path(".", "is the folder itself");
  return open_folder(path, path.size() - 1, O_PATH);
}

void ConfinedTree::make_directory(const PathParts& path, const FileAttributes& attributes) {
  if (path.empty()) return;  // the root: it is the user's
  const UniqueFd parent = open_parent(path);
  // Open to us until finish(): what belongs into it is still to come.
  if (::mkdirat(parent.get(), path.back().c_str(), 0700) == 0) {
    uint64_t bytes = kNodeBytes + sizeof(PathParts) + sizeof attributes;
    for (const std::string& part : path) bytes += sizeof part + part.size();
    keep(bytes);
    directories_[path] = attributes;
    return;
  }
  if (errno != EEXIST) fail_errno("make the folder '{}'", shown(path));
  const auto status = stat_if_exists(parent.get(), path.back());
  if (!status || !S_ISDIR(status->st_mode))
    fail(Code::kAlreadyExists, "cannot make the folder '{}': there is something else of that name",
         shown(path));
  if (const auto ours = directories_.find(path); ours != directories_.end()) ours->second = attributes;
}

void ConfinedTree::make_symlink(const PathParts& path, const std::string& target,
                                const FileAttributes& attributes) {
  const UniqueFd parent = open_parent(path);
  check_replaceable(parent.get(), path.back(), path, &target);
  const std::string temporary = hidden_name();
  if (::symlinkat(target.c_str(), parent.get(), temporary.c_str()) != 0)
    fail_errno("make the link '{}'", shown(path));
  const auto times = times_of(attributes);
  ::utimensat(parent.get(), temporary.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
  if (attributes.owner && ::fchownat(parent.get(), temporary.c_str(), attributes.owner->first,
                                     attributes.owner->second, AT_SYMLINK_NOFOLLOW) != 0) {
    const int error = errno;
    ::unlinkat(parent.get(), temporary.c_str(), 0);
    throw errno_error(error, fmt::format("set the owner of the link '{}'", shown(path)));
  }
  const auto made = stat_if_exists(parent.get(), temporary);
  rename_over(parent.get(), temporary, path.back(), shown(path));
  if (made && links_.insert(identity_of(*made)).second) keep(kNodeBytes);
}

void ConfinedTree::make_hard_link(const PathParts& path, const PathParts& existing) {
  const UniqueFd parent = open_parent(path);
  const UniqueFd existing_parent = open_parent(existing);
  const auto status = stat_if_exists(existing_parent.get(), existing.back());
  if (!status || !S_ISREG(status->st_mode) || !files_.contains(identity_of(*status)))
    refuse_path(shown(path),
                fmt::format("is a hard link to '{}', which did not come before it", shown(existing)));
  check_replaceable(parent.get(), path.back(), path);
  const std::string temporary = hidden_name();
  if (::linkat(existing_parent.get(), existing.back().c_str(), parent.get(), temporary.c_str(), 0) != 0)
    fail_errno("make the hard link '{}'", shown(path));
  rename_over(parent.get(), temporary, path.back(), shown(path));
  // rename(2) does nothing, successfully, when both names are the same file already.
  ::unlinkat(parent.get(), temporary.c_str(), 0);
}

// The owner first, since that takes bits of the mode away; the time last.
void ConfinedTree::set_attributes(int fd, const FileAttributes& attributes,
                                  const std::string& shown_path) const {
  if (attributes.owner && ::fchown(fd, attributes.owner->first, attributes.owner->second) != 0)
    fail_errno("set the owner of '{}'", shown_path);
  for (const auto& [name, value] : attributes.xattrs)
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0)
      fail_errno("set the extended attribute '{}' of '{}'", printable(name), shown_path);
  const mode_t mode = attributes.mode & 0777 & (attributes.against_umask ? 0777 : ~umask_);
  const auto times = times_of(attributes);
  if (::fchmod(fd, mode) != 0 || ::futimens(fd, times.data()) != 0)
    fail_errno("set the mode and time of '{}'", shown_path);
}

void ConfinedTree::finish() {
  // Backwards, so that a folder comes after those in it.
  for (auto entry = directories_.rbegin(); entry != directories_.rend(); ++entry) {
    const auto& [path, attributes] = *entry;
    const UniqueFd folder = open_folder(path, path.size(), O_RDONLY);
    set_attributes(folder.get(), attributes, shown(path));
  }
  directories_.clear();
}

ConfinedTree::File::File(ConfinedTree& tree, const PathParts& path)
    : tree_(tree),
      path_(path),
      shown_(shown(path)),
      parent_(tree.open_parent(path)),
      name_(path.back()),
      temporary_(hidden_name()) {
  tree_.check_replaceable(parent_.get(), name_, path_);
  fd_.reset(::openat(parent_.get(), temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     0600));
  if (!fd_) fail_errno("make the file '{}'", shown_);
}

ConfinedTree::File::~File() {
  if (fd_) ::unlinkat(parent_.get(), temporary_.c_str(), 0);
}

void ConfinedTree::File::write_at(std::string_view data, uint64_t offset) {
  write_nonzero(fd_.get(), data.data(), data.size(), offset);
}

void ConfinedTree::File::set_size(uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
    fail_errno("make '{}' {} bytes long", shown_, size);
}

void ConfinedTree::File::commit(const FileAttributes& attributes) {
  tree_.check_replaceable(parent_.get(), name_, path_);  // It has been a while.
  tree_.set_attributes(fd_.get(), attributes, shown_);
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) fail_errno("look at '{}'", shown_);
  rename_over(parent_.get(), temporary_, name_, shown_);
  fd_.reset();
  if (tree_.files_.insert(identity_of(status)).second) tree_.keep(kNodeBytes);
}

}  // namespace knaller
