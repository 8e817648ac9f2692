#include "store/owner.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace knaller::store {
namespace {

constexpr size_t kLongestEntry = 64 << 10;  // of a group with a few thousand members, which is no own one

// By its name, as pam_umask(8) knows one, and with nobody else in it.
bool is_own_group(gid_t group, uid_t user) {
  std::vector<char> user_text(kLongestEntry);
  passwd user_entry{};
  passwd* user_found = nullptr;
  if (::getpwuid_r(user, &user_entry, user_text.data(), user_text.size(), &user_found) != 0 ||
      user_found == nullptr)
    return false;
  std::vector<char> group_text(kLongestEntry);
  struct group group_entry {};
  struct group* group_found = nullptr;
  if (::getgrgid_r(group, &group_entry, group_text.data(), group_text.size(), &group_found) != 0 ||
      group_found == nullptr)
    return false;
  const std::string_view name = user_entry.pw_name;
  if (name != group_entry.gr_name) return false;
  for (char** member = group_entry.gr_mem; *member != nullptr; ++member)
    if (name != *member) return false;
  return true;
}

}  // namespace

std::string why_not_own(const struct stat& folder, uid_t self, bool own_group) {
  if (folder.st_uid != self && folder.st_uid != 0)
    return fmt::format("it belongs to the user {}, who decides what lies in it", folder.st_uid);
  if ((folder.st_mode & S_IWOTH) != 0)
    return fmt::format("everybody may write in it (its mode is {:04o})", folder.st_mode & 07777);
  if ((folder.st_mode & S_IWGRP) != 0 && !own_group)
    return fmt::format("the group {} may write in it (its mode is {:04o})", folder.st_gid,
                       folder.st_mode & 07777);
  return {};
}

void require_own_folder(int folder, const std::string& path) {
  struct stat info {};
  if (::fstat(folder, &info) != 0) fail_errno("look at '{}'", path);
  const uid_t self = ::geteuid();
  const bool group_writes = (info.st_mode & S_IWGRP) != 0;
  const std::string why = why_not_own(info, self, group_writes && is_own_group(info.st_gid, self));
  if (why.empty()) return;
  std::string hint = "set KNALLER_HOME to a folder of your own";
  if (info.st_uid == self)
    hint = fmt::format(
        "chmod go-w '{}', and look for what others may have left in your home: knaller store check", path);
  if (self == 0 && info.st_uid != 0)
    hint = "run knaller as that user, or set KNALLER_HOME to a folder of root's";
  throw Error(Code::kPermission, fmt::format("'{}' is not safe to use: {}", printable(path), why), hint);
}

void require_own_entry(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) fail_errno("look at '{}'", path);
  if (info.st_uid == ::geteuid() || info.st_uid == 0) return;
  throw Error(Code::kPermission,
              fmt::format("'{}' belongs to the user {}, who may have made it for you to use", printable(path),
                          info.st_uid),
              "remove it; if you know what it is, make it and all that is in it yours (chown --recursive)");
}

}  // namespace knaller::store
