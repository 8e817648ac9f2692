#include "base/confined_program.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "base/error.h"

namespace knaller {
namespace {

#include "confined_filter.inc"

constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// What Landlock's versions can refuse; one that is asked for more than it knows refuses to be used at all.
constexpr uint64_t kHandledByVersion1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // Linux 5.13
constexpr uint64_t kRefer = uint64_t{1} << 13;     // version 2 (5.19); Debian 12's headers lack the next one
constexpr uint64_t kTruncate = uint64_t{1} << 14;  // version 3 (6.2)
constexpr rlim_t kMostDescriptors = 64;

// Those that are not there are passed over: /lib64 may be a link, or absent.
void allow(int rules, int file, uint64_t access) {
  const landlock_path_beneath_attr rule{.allowed_access = access, .parent_fd = file};
  if (::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U) != 0)
    fail_errno("confine a program to its files");
}

void allow(int rules, const char* path, uint64_t access) {
  const UniqueFd file(::open(path, O_PATH | O_CLOEXEC));
  if (file) allow(rules, file.get(), access);
}

uint64_t handled_here() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return kHandledByVersion1 | (version >= 2 ? kRefer : 0) | (version >= 3 ? kTruncate : 0);
}

UniqueFd make_rules(int file) {
  const landlock_ruleset_attr attributes{.handled_access_fs = handled_here()};
  UniqueFd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0U)));
  if (!rules && (errno == ENOSYS || errno == EOPNOTSUPP)) return {};
  if (!rules) fail_errno("confine a program to its files");
  for (const char* folder : {"/usr", "/lib", "/lib64", "/bin", "/sbin"})
    allow(rules.get(), folder, kRead | LANDLOCK_ACCESS_FS_EXECUTE);
  allow(rules.get(), "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE);
  // e2fsprogs look there for what is mounted. Nothing of other processes can be read, whoever owns them.
  allow(rules.get(), "/proc", kRead);
  if (file >= 0)
    allow(rules.get(), file,
          (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate) &
              attributes.handled_access_fs);
  return rules;
}

bool limit(__rlimit_resource resource, rlim_t most) {
  const rlimit both{most, most};
  rlimit before{};
  if (::getrlimit(resource, &before) != 0) return false;
  // A lower one that is there stays.
  if (before.rlim_max < most) return true;
  return ::setrlimit(resource, &both) == 0;
}

}  // namespace

PreparedConfinement::PreparedConfinement(const Confinement& confinement)
    : confinement_(confinement), rules_(make_rules(confinement.file)) {}

int PreparedConfinement::namespaces() {
  return CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID;
}

bool PreparedConfinement::restrict_files() const {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  return !rules_ || ::syscall(SYS_landlock_restrict_self, rules_.get(), 0U) == 0;
}

bool PreparedConfinement::set_limits() const {
  return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, kMostDescriptors) &&
         limit(RLIMIT_FSIZE, confinement_.file_bytes) && limit(RLIMIT_AS, confinement_.memory_bytes) &&
         limit(RLIMIT_CPU, static_cast<rlim_t>(confinement_.processor_time.count()));
}

const sock_fprog& PreparedConfinement::call_filter() {
  static const sock_fprog filter = {static_cast<unsigned short>(std::size(kConfinedFilter)),
                                    const_cast<sock_filter*>(kConfinedFilter)};  // the kernel only reads it
  return filter;
}

}  // namespace knaller
