// deny FAMILY[,FAMILY…] COMMAND…: runs a command, and all that it starts, on a kernel that lacks these
// families of system calls. Each is refused as an older kernel, or a container's filter, refuses it.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace {

// A call, and with which arguments it is refused; without a comparison it always is.
struct Refusal {
  int call;
  int error;
  std::vector<scmp_arg_cmp> when = {};
};

struct Family {
  std::string_view name;
  std::vector<Refusal> refusals;
};

constexpr unsigned long kPagemapScan = 0xc0606610;  // of Linux 6.7

scmp_arg_cmp has_bit(unsigned argument, scmp_datum_t bit) {
  return {argument, SCMP_CMP_MASKED_EQ, bit, bit};
}

const std::vector<Family>& families() {
  static const std::vector<Family> all{
      {"openat2", {{SCMP_SYS(openat2), ENOSYS}}},                                    // before Linux 5.6
      {"clone3", {{SCMP_SYS(clone3), ENOSYS}}},                                      // 5.3
      {"close_range", {{SCMP_SYS(close_range), ENOSYS}}},                            // 5.9
      {"pidfd", {{SCMP_SYS(pidfd_open), ENOSYS}, {SCMP_SYS(pidfd_getfd), ENOSYS}}},  // 5.3
      {"mounts",                                                                     // 5.2, and 5.12
       {{SCMP_SYS(open_tree), ENOSYS},
        {SCMP_SYS(move_mount), ENOSYS},
        {SCMP_SYS(fsopen), ENOSYS},
        {SCMP_SYS(fsconfig), ENOSYS},
        {SCMP_SYS(fsmount), ENOSYS},
        {SCMP_SYS(mount_setattr), ENOSYS}}},
      {"notifications",  // a container's manager has the one listener already
       {{SCMP_SYS(seccomp), EBUSY, {has_bit(1, SECCOMP_FILTER_FLAG_NEW_LISTENER)}}}},
      {"landlock",  // 5.13
       {{SCMP_SYS(landlock_create_ruleset), ENOSYS},
        {SCMP_SYS(landlock_add_rule), ENOSYS},
        {SCMP_SYS(landlock_restrict_self), ENOSYS}}},
      {"pagemap_scan", {{SCMP_SYS(ioctl), ENOTTY, {{1, SCMP_CMP_EQ, kPagemapScan, 0}}}}},  // 6.7
      {"cachestat", {{451, ENOSYS}}},                                                      // 6.5
      {"renameat2_flags", {{SCMP_SYS(renameat2), EINVAL, {{4, SCMP_CMP_NE, 0, 0}}}}},      // NFS, FUSE
      {"memfd", {{SCMP_SYS(memfd_create), ENOSYS}}},
      {"other_memory",  // Yama, or a container's filter
       {{SCMP_SYS(process_vm_readv), EPERM}, {SCMP_SYS(process_vm_writev), EPERM}}},
      {"copies",  // another file system
       {{SCMP_SYS(copy_file_range), EXDEV}, {SCMP_SYS(ioctl), EOPNOTSUPP, {{1, SCMP_CMP_EQ, FICLONE, 0}}}}},
      {"holes", {{SCMP_SYS(fallocate), EOPNOTSUPP}}},
      {"sync_file_range", {{SCMP_SYS(sync_file_range), ENOSYS}}},
      {"statx", {{SCMP_SYS(statx), ENOSYS}}},
  };
  return all;
}

[[noreturn]] void die(const std::string& why) {
  fmt::print(stderr, "deny: {}\n", why);
  ::_exit(125);
}

const Family& find_family(std::string_view name) {
  for (const Family& family : families())
    if (family.name == name) return family;
  die(fmt::format("there is no family '{}'", name));
}

void deny(const std::vector<std::string_view>& names) {
  const scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) die("no filter can be made");
  for (const std::string_view name : names)
    for (const Refusal& refusal : find_family(name).refusals) {
      const int code =
          ::seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(static_cast<uint32_t>(refusal.error)), refusal.call,
                                   static_cast<unsigned>(refusal.when.size()), refusal.when.data());
      if (code != 0) die(fmt::format("system call {} can't be refused: error {}", refusal.call, -code));
    }
  if (const int code = ::seccomp_load(filter); code != 0)
    die(fmt::format("the filter can't be loaded: error {}", -code));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--list") {
    for (const Family& family : families()) fmt::print("{}\n", family.name);
    return 0;
  }
  if (argc < 3) die("usage: deny FAMILY[,FAMILY…] COMMAND… | deny --list");
  deny(knaller::split(argv[1], ','));
  ::execvp(argv[2], argv + 2);
  die(knaller::errno_error(errno, fmt::format("execute '{}'", argv[2])).message());
}
