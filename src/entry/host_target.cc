#include "entry/host_target.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/confined_tree.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::entry {
namespace {

constexpr int kMostLinks = 40;  // as many as the kernel follows

std::optional<struct stat> look_behind_links(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status;
  if (errno != ENOENT && errno != ENOTDIR) fail_errno("look at '{}'", printable(path));
  return std::nullopt;
}

UniqueFd open_folder(int folder, const std::string& path, int flags = 0) {
  UniqueFd opened(::openat(folder, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags));
  if (!opened && (errno == ENOENT || errno == ENOTDIR))
    fail(Code::kNotFound, "the folder '{}' does not exist on this host", printable(path));
  if (!opened) fail_errno("open '{}'", printable(path));
  return opened;
}

void check_link(int folder, const struct stat& link, const std::string& path) {
  struct stat status {};
  if (::fstat(folder, &status) != 0) fail_errno("look at the folder of '{}'", printable(path));
  if (is_foreign_link(link, status, ::geteuid()))
    throw Error(Code::kPermission,
                fmt::format("'{}' leads through a link that another user made in a folder that all may write",
                            printable(path)),
                "name the place that you mean, without the link");
}

// "/", "." and ".." are folders, and never links.
bool names_something(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return false;
  const size_t slash = path.rfind('/', end);
  const std::string last = path.substr(slash + 1, end - slash);
  return last != "." && last != "..";
}

// What the last part of `path` stands for when the links there are followed, one after the other, each of
// them judged. What comes back is no link that somebody would follow once more.
HostTarget follow_links(const std::string& path) {
  HostTarget place{UniqueFd(), path};
  int from = AT_FDCWD;
  for (int links = 0; links < kMostLinks; ++links) {
    if (!names_something(place.name)) return {open_folder(from, place.name), ""};
    const PathName split = split_path(place.name, "on this host");
    place = {open_folder(from, split.folder), split.name};
    from = place.folder.get();
    const auto status = stat_if_exists(from, place.name);
    if (!status || !S_ISLNK(status->st_mode)) return place;
    check_link(from, *status, path);
    place.name = read_link(from, place.name);
  }
  fail(Code::kInvalidArgument, "'{}' leads through too many links", printable(path));
}

void check_kinds(bool source_is_folder, mode_t mode, const std::string& path) {
  if (!S_ISREG(mode))
    throw Error(Code::kAlreadyExists,
                fmt::format("'{}' is a device, a pipe or a socket, which no copy replaces", printable(path)),
                fmt::format("to write into it: knaller cp NAME:FILE - >'{}'", printable(path)));
  if (source_is_folder)
    fail(Code::kAlreadyExists, "cannot copy a folder from the guest onto the file '{}'", printable(path));
}

}  // namespace

bool is_foreign_link(const struct stat& link, const struct stat& folder, uid_t self) {
  const bool shared = (folder.st_mode & S_ISVTX) != 0 && (folder.st_mode & S_IWOTH) != 0;
  return shared && link.st_uid != self && link.st_uid != folder.st_uid;
}

HostTarget place_on_host(const PathName& source, bool source_is_folder, const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    fail(Code::kInvalidArgument, "'{}' is not a path on this host", printable(path));
  HostTarget place = follow_links(path);
  if (place.name.empty()) return {std::move(place.folder), source.name};
  const auto there = look_behind_links(path);
  if (there && S_ISDIR(there->st_mode))
    return {open_folder(place.folder.get(), place.name, O_NOFOLLOW), source.name};
  if (there) check_kinds(source_is_folder, there->st_mode, path);
  if (path.back() == '/' && !source_is_folder)
    fail(Code::kNotFound, "the folder '{}' does not exist on this host", printable(path));
  return place;
}

}  // namespace knaller::entry
