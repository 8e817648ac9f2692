// Ids, capabilities, limits, priorities.
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "probe.h"

namespace probe {
namespace {

constexpr long kAnyone = -1;

// --- Who it is

// Ids of its own user namespace, 0 among them, may be anybody outside. A line is "first inside, first
// outside, how many".
Outcome map_root(const Attempt& attempt) {
  char text[4096];
  if (read_text(attempt.text, text, sizeof text) < 0) return judge(-1);
  char* end = text;
  while (true) {
    while (*end == ' ' || *end == '\n') ++end;
    if (*end == '\0') return refused("no id of its is the host's 0");
    std::strtoul(end, &end, 10);
    if (std::strtoul(end, &end, 10) == 0) return succeeded("an id of its is the host's 0");
    std::strtoul(end, &end, 10);
  }
}

Outcome have_capabilities(const Attempt&) {
  char text[8192];
  if (read_text("/proc/self/status", text, sizeof text) < 0) return judge(-1);
  bool any = false;
  int sets = 0;
  for (const char* line = std::strstr(text, "\nCap"); line != nullptr;
       line = std::strstr(line + 1, "\nCap")) {
    ++sets;
    any |= std::strtoull(std::strchr(line, '\t'), nullptr, 16) != 0;
  }
  if (sets != 5) return {Outcome::Kind::kUnclear, 0, "not five sets of capabilities"};
  return any ? succeeded("a set of capabilities is not empty") : refused("all five sets are empty");
}

Outcome have_bounding_capability(const Attempt&) {
  for (int capability = 0; capability < 64; ++capability)
    if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) return succeeded("the bounding set is not empty");
  return refused("none of 64");
}

Outcome raise_ambient(const Attempt&) {
  for (unsigned long capability = 0; capability < 41; ++capability)
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0)
      return succeeded("one was raised");
  return judge(-1);
}

enum Sets { kEffective = 1, kPermitted = 2, kInheritable = 4 };

Outcome set_capabilities(const Attempt& attempt) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  for (auto& half : data) {
    if (attempt.number & kEffective) half.effective = 1;
    if (attempt.number & kPermitted) half.permitted = 1;
    if (attempt.number & kInheritable) half.inheritable = 1;
  }
  return judge(syscall(SYS_capset, &header, data));
}

Outcome set_groups(const Attempt& attempt) {
  const gid_t root = 0;
  return judge(syscall(SYS_setgroups, attempt.number, &root));
}

Outcome control(const Attempt& attempt) {
  return judge(prctl(static_cast<int>(attempt.number), 1, 0, 0, 0));
}

// --- Its limits

Outcome raise_limit(const Attempt& attempt) {
  const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  return judge(syscall(SYS_prlimit64, 0, attempt.number, &all, nullptr));
}

Outcome set_old_limit(const Attempt& attempt) {
  const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  return judge(syscall(SYS_setrlimit, attempt.number, &all));
}

constexpr long kSixteenBits = 16;

Outcome have_no_limit(const Attempt& attempt) {
  rlimit limit = {};
  const auto resource = static_cast<__rlimit_resource>(attempt.number & 0xFFFF);
  if (getrlimit(resource, &limit) != 0) return judge(-1);
  const auto most = static_cast<rlim_t>(attempt.number >> kSixteenBits);
  return limit.rlim_max > most ? succeeded("the limit is higher") : refused("the limit");
}

constexpr long at_most(long most, long resource) {
  return most << kSixteenBits | resource;
}

// The guest's memory, in the hands of the host's handler of core files. A limit of 0 forbids files and not
// pipes (core(5)); one of 1 forbids both.
Outcome dump_core_to_handler(const Attempt&) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_CORE, &limit) != 0) return judge(-1);
  if (limit.rlim_cur == 1 && limit.rlim_max == 1) return refused("a limit of one byte");
  if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1) return refused("it is not dumpable");
  char filter[32] = {};
  const bool empty = read_text("/proc/self/coredump_filter", filter, sizeof filter) > 0 &&
                     std::strtoul(filter, nullptr, 16) == 0;
  if (limit.rlim_max == 0 && empty) return refused("nobody may raise the limit, and a core would be empty");
  return succeeded("nothing keeps a core from a pipe");
}

Outcome take_real_time(const Attempt&) {
  const sched_param first = {1};
  return judge(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &first));
}

Outcome set_scheduling(const Attempt&) {
  struct {
    unsigned size, policy;
    unsigned long long flags;
    int nice;
    unsigned priority;
    unsigned long long runtime, deadline, period;
  } attributes = {48, SCHED_OTHER, 0, -20, 0, 0, 0, 0};
  return judge(syscall(SYS_sched_setattr, 0, &attributes, 0));
}

Outcome set_parameters(const Attempt&) {
  const sched_param first = {1};
  return judge(syscall(SYS_sched_setparam, 0, &first));
}

Outcome set_affinity(const Attempt&) {
  cpu_set_t processors;
  CPU_ZERO(&processors);
  CPU_SET(0, &processors);
  return judge(syscall(SYS_sched_setaffinity, 0, sizeof processors, &processors));
}

constexpr Attempt kAttempts[] = {
    {"user-map-of-root", map_root, 0, "/proc/self/uid_map"},
    {"group-map-of-root", map_root, 0, "/proc/self/gid_map"},
    {"capabilities-kept", have_capabilities},
    {"capabilities-bounding", have_bounding_capability},
    {"capabilities-ambient", raise_ambient},
    {"capset-permitted", set_capabilities, kPermitted},
    {"capset-effective", set_capabilities, kEffective | kPermitted},
    {"capset-inheritable", set_capabilities, kInheritable},
    {"setuid", [](auto&) { return judge(syscall(SYS_setuid, 0)); }},
    {"setgid", [](auto&) { return judge(syscall(SYS_setgid, 0)); }},
    {"setreuid", [](auto&) { return judge(syscall(SYS_setreuid, kAnyone, 0)); }},
    {"setregid", [](auto&) { return judge(syscall(SYS_setregid, kAnyone, 0)); }},
    {"setresuid", [](auto&) { return judge(syscall(SYS_setresuid, 0, 0, 0)); }},
    {"setresgid", [](auto&) { return judge(syscall(SYS_setresgid, 0, 0, 0)); }},
    {"setfsuid", [](auto&) { return judge(syscall(SYS_setfsuid, 0)); }},
    {"setgroups-none", set_groups, 0},
    {"setgroups-root", set_groups, 1},
    {"new-privileges", [](auto&) { return judge(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), {EINVAL}); }},
    {"keep-capabilities", control, PR_SET_KEEPCAPS},
    {"securebits", control, PR_SET_SECUREBITS},
    {"dumpable", control, PR_SET_DUMPABLE},
    {"tracer-anybody", [](auto&) { return judge(prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)); }},
    {"adopt-orphans", control, PR_SET_CHILD_SUBREAPER},
    {"time-stamp-counter", control, PR_SET_TSC},
    {"outlive-the-monitor", [](auto&) { return judge(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)); }},
    {"survive-the-monitor", [](auto&) { return judge(prctl(PR_SET_PDEATHSIG, SIGCHLD, 0, 0, 0)); }},
    {"limit-core", raise_limit, RLIMIT_CORE},
    {"limit-files", raise_limit, RLIMIT_NOFILE},
    {"limit-processes", raise_limit, RLIMIT_NPROC},
    {"limit-locked-memory", raise_limit, RLIMIT_MEMLOCK},
    {"limit-file-size", raise_limit, RLIMIT_FSIZE},
    {"limit-priority", raise_limit, RLIMIT_NICE},
    {"limit-core-by-setrlimit", set_old_limit, RLIMIT_CORE},
    {"many-files", have_no_limit, at_most(4096, RLIMIT_NOFILE)},
    {"many-processes", have_no_limit, at_most(4096, RLIMIT_NPROC)},
    {"much-locked-memory", have_no_limit, at_most(8 << 20, RLIMIT_MEMLOCK)},
    {"many-messages", have_no_limit, at_most(1 << 20, RLIMIT_MSGQUEUE)},
    {"many-signals", have_no_limit, at_most(4096, RLIMIT_SIGPENDING)},
    {"high-priority", have_no_limit, at_most(20, RLIMIT_NICE)},
    {"real-time-priority", have_no_limit, at_most(0, RLIMIT_RTPRIO)},
    {"core-dump-to-handler", dump_core_to_handler},
    {"nice", [](auto&) { return judge(syscall(SYS_setpriority, PRIO_PROCESS, 0, -5)); }},
    {"nice-of-the-user", [](auto&) { return judge(syscall(SYS_setpriority, PRIO_USER, getuid(), 19)); }},
    {"real-time", take_real_time},
    {"scheduling-attributes", set_scheduling},
    {"scheduling-parameters", set_parameters},
    {"processors", set_affinity},
    {"io-priority", [](auto&) { return judge(syscall(SYS_ioprio_set, 1, 0, 1 << 13)); }},
    {"lock-all-memory", [](auto&) { return judge(syscall(SYS_mlockall, MCL_CURRENT)); }},
    {"personality", [](auto&) { return judge(syscall(SYS_personality, 0x0040000)); }},
};

}  // namespace

Attempts privileges() {
  return kAttempts;
}

}  // namespace probe
