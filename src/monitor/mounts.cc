#include "monitor/mounts.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "base/error.h"

namespace knaller::monitor {

void fail_mount(const std::string& what) {
  const int saved_errno = errno;
  throw errno_error(saved_errno, what)
      .with_hint("this host refuses a mount that the jail needs; run 'knaller doctor'");
}

void set_attributes(int mount, const MountRules& rules, const std::string& what, int user_namespace) {
  mount_attr wanted = {};
  wanted.attr_set = rules.attributes;
  wanted.userns_fd = user_namespace < 0 ? 0 : static_cast<uint64_t>(user_namespace);
  const unsigned flags = AT_EMPTY_PATH | (rules.recursive ? AT_RECURSIVE : 0u);
  if (::mount_setattr(mount, "", flags, &wanted, sizeof wanted) != 0) fail_mount(what);
}

UniqueFd clone_mount(int source, bool recursive, const std::string& what) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_EMPTY_PATH) |
                         (recursive ? AT_RECURSIVE : 0u);
  UniqueFd mount(::open_tree(source, "", flags));
  if (!mount) fail_mount(what);
  return mount;
}

UniqueFd make_file_system(const char* type, const std::vector<std::pair<const char*, const char*>>& options,
                          uint64_t attributes) {
  const UniqueFd context(::fsopen(type, FSOPEN_CLOEXEC));
  if (!context) fail_mount(fmt::format("prepare a {} mount", type));
  for (const auto& [key, value] : options)
    if (::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value, 0) != 0)
      fail_mount(fmt::format("set {}={} of a {} mount", key, value, type));
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    fail_mount(fmt::format("make a {} mount", type));
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
  if (!mount) fail_mount(fmt::format("mount a {}", type));
  return mount;
}

}  // namespace knaller::monitor
