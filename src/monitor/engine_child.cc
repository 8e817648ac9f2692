#include "monitor/engine_child.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "base/error.h"
#include "base/fd_passing.h"
#include "base/file.h"
#include "base/json.h"
#include "base/signals.h"
#include "engine/program_files.h"
#include "monitor/alive.h"
#include "net/control_link.h"
#include "net/namespace.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

constexpr int kGateFd = 4;
// What no engine comes near: Firecracker has a thread for each vCPU and two more, QEMU up to 64 for its
// disks.
constexpr rlim_t kMostThreads = 512;
constexpr rlim_t kMostDescriptors = 1024;
constexpr rlim_t kMostSignals = 1024;
constexpr rlim_t kMostLockedBytes = 64 << 10;

// From here on the monitor's death is ours. One that died before the prctl() sends no signal any more, but by
// then its end of the gate was closed (the kernel closes files before it tells children), though a byte of
// its may still be there to read.
void tie_to_monitor(int gate) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail_errno("tie the engine to the monitor");
  pollfd polled = {gate, POLLRDHUP, 0};
  if (::poll(&polled, 1, 0) != 0) ::_exit(127);
}

PreparedMounts await_go(int gate) {
  ByteWithFds go = receive_with_fds(gate, "the monitor");
  if (go.end) ::_exit(127);
  tie_to_monitor(gate);
  if (go.fds.size() != 2) return {};
  return {.directory = std::move(go.fds[0]), .devices = std::move(go.fds[1])};
}

// A process group spans pid namespaces: in the monitor's, kill(0, …) of an engine that a guest has taken over
// would reach it. The session keyring would let it read what the user keeps there; where keyctl(2) is
// forbidden, it is forbidden to the engine.
void leave_session() {
  if (::setsid() < 0) fail_errno("start a session for the engine");
  ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
}

// Exactly 0, 1, 2 and the alive lock stay open across exec. All sources move out of the way first, then to
// their numbers. The host's null device is there only until take_null_device().
int arrange_descriptors(const EngineOptions& options, int gate) {
  UniqueFd null_fd = open_at(AT_FDCWD, "/dev/null", O_RDONLY);
  const std::pair<int, int> wanted[] = {{null_fd.get(), 0},
                                        {options.stdout_fd, 1},
                                        {options.stderr_fd, 2},
                                        {options.lock_fd, kEngineLockFd},
                                        {gate, kGateFd}};
  UniqueFd moved[std::size(wanted)];
  for (size_t i = 0; i < std::size(wanted); ++i) {
    moved[i].reset(::fcntl(wanted[i].first, F_DUPFD_CLOEXEC, 64));
    if (!moved[i]) fail_errno("hand descriptor {} to the engine", wanted[i].first);
  }
  for (size_t i = 0; i < std::size(wanted); ++i) {
    const int flags = wanted[i].second == kGateFd ? O_CLOEXEC : 0;
    if (::dup3(moved[i].release(), wanted[i].second, flags) < 0) {
      fail_errno("hand descriptor {} to the engine", wanted[i].second);
    }
  }
  if (::close_range(kGateFd + 1, ~0u, 0) != 0) fail_errno("close the monitor's descriptors");
  null_fd.release();  // closed, or its number is one of the five now
  return kGateFd;
}

// The jail's own, through a read-only mount: through the host's, an engine of root's could change that one's
// mode.
void take_null_device() {
  const UniqueFd null_fd = open_at(AT_FDCWD, "/dev/null", O_RDONLY);
  if (::dup2(null_fd.get(), STDIN_FILENO) < 0) fail_errno("give the engine the jail's null device");
}

// The lock again, through a mount that is read-only: through the monitor's, the engine could open the file
// for writing by /proc/self/fd. Until the old one is closed there are both, so the byte is locked all the
// time.
void lock_read_only() {
  const UniqueFd mount = clone_read_only(open_directory(".").get(), "the VM's directory");
  const UniqueFd lock = open_at(mount.get(), layout::kAlive, O_RDONLY | O_NOFOLLOW);
  hold_engine_alive(lock.get());
  if (::dup2(lock.get(), kEngineLockFd) < 0) fail_errno("keep the engine's lock");
}

// Where the user's own limit is 0, it can't become the 1 that keeps a core from a program: it then holds
// nothing.
void empty_cores() {
  static constexpr char kFilter[] = "/proc/self/coredump_filter";
  write_all(open_at(AT_FDCWD, kFilter, O_WRONLY).get(), "0", kFilter);
}

// In a user namespace below its own, a process without any capability would have all of them again. The limit
// is of the engine's user namespace, and counts for what is below, too. Where a container shows /proc/sys
// read-only, the filter of system calls is alone in forbidding it.
void forbid_user_namespaces() {
  static constexpr char kLimit[] = "/proc/sys/user/max_user_namespaces";
  const UniqueFd fd(::open(kLimit, O_WRONLY | O_CLOEXEC));
  if (!fd && errno == EROFS) return;
  if (!fd) fail_errno("open '{}'", kLimit);
  write_all(fd.get(), "0", kLimit);
}

void set_limit(int resource, rlim_t most, const char* what) {
  rlimit limit = {};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0)
    fail_errno("look at the limit of {}", what);
  limit.rlim_cur = limit.rlim_max = std::min(most, limit.rlim_max);
  if (::setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) fail_errno("limit {}", what);
}

// Linux counts processes for each user namespace from 5.14 on. Before that, an ordinary user's engine would
// be counted together with everything else that the user runs.
bool counts_processes_by_namespace() {
  utsname host = {};
  int major = 0, minor = 0;
  if (::uname(&host) != 0 || std::sscanf(host.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 14);
}

void limit_resources(const EngineOptions& options) {
  // A core file would hold the guest's memory. 1 and not 0: where cores go to a program, only 1 keeps it from
  // being run.
  set_limit(RLIMIT_CORE, 1, "core files");
  set_limit(RLIMIT_FSIZE, options.file_limit, "the size of files");
  set_limit(RLIMIT_NOFILE, kMostDescriptors, "open files");
  set_limit(RLIMIT_MEMLOCK, kMostLockedBytes, "locked memory");
  set_limit(RLIMIT_MSGQUEUE, 0, "message queues");
  set_limit(RLIMIT_SIGPENDING, kMostSignals, "pending signals");
  set_limit(RLIMIT_RTPRIO, 0, "realtime priority");
  set_limit(RLIMIT_NICE, 0, "priority");
  if (options.jail.identity.borrowed || counts_processes_by_namespace())
    set_limit(RLIMIT_NPROC, kMostThreads, "threads");
  ::umask(077);
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void execute(const std::string& path, const EngineOptions& options) {
  std::vector<std::string> arguments{path};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment{fmt::format("PATH={}", engine::kEnginePath),
                                       fmt::format("KNALLER_ALIVE_FD={}", kEngineLockFd)};
#ifdef KNALLER_ASAN
  // At the start it would set a limit, and at the end look at its own threads: neither is allowed in the
  // jail.
  environment.emplace_back("ASAN_OPTIONS=detect_leaks=0:disable_coredump=0");
#endif
  ::execve(path.c_str(), pointers_to(arguments).data(), pointers_to(environment).data());
  const int saved_errno = errno;
  Error error = errno_error(saved_errno, fmt::format("execute '{}'", options.jail.engine_binary));
  if (saved_errno == ENOENT)
    error.with_hint("its interpreter or library loader is not there; run it by hand to see");
  if (saved_errno == EACCES)
    error.with_hint("it must be executable, and not lie on a file system mounted noexec");
  throw error;
}

void filter_calls(CallFilter filter) {
  const UniqueFd listener = install_call_filter(filter);
  const int fd = listener.get();
  send_with_fds(kGateFd, kFiltered, listener ? std::span(&fd, 1) : std::span<const int>(), "the monitor");
}

// Privileges go last: the namespaces' own capabilities are what network and jail are built with.
[[noreturn]] void become_engine(const EngineOptions& options, PreparedMounts prepared) {
  if (options.network) {
    in_context([] { return std::string("set up the VM's network"); },
               [&] {
                 net::set_up_namespace(options.network->plan, options.network->host,
                                       options.jail.identity.uid);
               });
  }
  if (options.control_link) net::set_up_control_link(options.jail.identity.uid);
  forbid_user_namespaces();
  lock_read_only();
  empty_cores();
  const std::string path = in_context([] { return std::string("set up the jail"); },
                                      [&] { return enter_jail(options.jail, std::move(prepared)); });
  take_null_device();
  limit_resources(options);
  drop_privileges();
  tie_to_monitor(kGateFd);  // again: a change of capabilities may clear it
  filter_calls(options.filter);
  execute(path, options);
}

void report(int gate, const Error& error) {
  try {
    write_all(gate, dump_json(error_to_json(error)), "the engine's gate");
  } catch (const std::exception&) {
    ::_exit(126);  // the exit code is all that is left
  }
}

}  // namespace

[[noreturn]] void run_engine_child(const EngineOptions& options, int gate) {
  try {
    reset_signals();
    leave_session();
    const int own_gate = arrange_descriptors(options, gate);
    gate = own_gate;
    become_engine(options, await_go(gate));
  } catch (const std::exception& exception) {
    report(gate, error_from(exception));
    ::_exit(127);
  }
}

}  // namespace knaller::monitor
