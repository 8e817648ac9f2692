#include "monitor/engine_process.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/signals.h"
#include "net/namespace.h"

namespace knaller::monitor {
namespace {

constexpr uint64_t kNamespaces =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
constexpr int kGateFd = 4;
constexpr size_t kErrorLimit = 64 << 10;
// The child's message that its filter is in force; an error's JSON begins otherwise.
constexpr char kFiltered = 'f';

// --- In the child
// -------------------------------------------------------------------------------------------------------

// From here on the monitor's death is ours. One that died before the prctl() sends no signal any more, but by
// then its end of the gate was closed (the kernel closes files before it tells children), though a byte of
// its may still be there to read.
void tie_to_monitor(int gate) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail_errno("tie the engine to the monitor");
  pollfd polled = {gate, POLLRDHUP, 0};
  if (::poll(&polled, 1, 0) != 0) ::_exit(127);
}

void await_go(int gate) {
  char go;
  if (read_up_to(gate, &go, 1, "the monitor's gate") != 1) ::_exit(127);
  tie_to_monitor(gate);
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

void limit_resources() {
  const rlimit none = {0, 0};  // a core file would hold the guest's memory
  if (::setrlimit(RLIMIT_CORE, &none) != 0) fail_errno("forbid core files");
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
  std::vector<std::string> environment{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                       fmt::format("KNALLER_ALIVE_FD={}", kEngineLockFd)};
  environment.insert(environment.end(), options.environment.begin(), options.environment.end());
  ::execve(path.c_str(), pointers_to(arguments).data(), pointers_to(environment).data());
  const int saved_errno = errno;
  Error error = errno_error(saved_errno, fmt::format("execute '{}'", options.jail.engine_binary));
  if (saved_errno == ENOENT)
    error.with_hint("it needs an interpreter or library loader that does not lie in /usr");
  if (saved_errno == EACCES)
    error.with_hint("it must be executable, and not lie on a file system mounted noexec");
  throw error;
}

void send_listener(int gate, int listener) {
  char byte = kFiltered;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof listener)] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (listener >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof listener);
    std::memcpy(CMSG_DATA(header), &listener, sizeof listener);
  }
  if (::sendmsg(gate, &message, MSG_NOSIGNAL) != 1) fail_errno("give the monitor the engine's filter");
}

// Privileges go last: the namespaces' own capabilities are what network and jail are built with.
[[noreturn]] void become_engine(const EngineOptions& options, uid_t uid) {
  if (options.network) {
    in_context([] { return std::string("set up the VM's network"); },
               [&] { net::set_up_namespace(options.network->plan, options.network->host, uid); });
  }
  forbid_user_namespaces();
  const std::string path =
      in_context([] { return std::string("set up the jail"); }, [&] { return enter_jail(options.jail); });
  take_null_device();
  limit_resources();
  drop_privileges();
  tie_to_monitor(kGateFd);  // again: a change of capabilities may clear it
  send_listener(kGateFd, install_call_filter(options.filter).get());
  execute(path, options);
}

void report(int gate, const Error& error) {
  try {
    write_all(gate, dump_json(error_to_json(error)), "the engine's gate");
  } catch (const std::exception&) {
    ::_exit(126);  // the exit code is all that is left
  }
}

[[noreturn]] void run_child(const EngineOptions& options, int gate, uid_t uid) {
  try {
    reset_signals();
    leave_session();
    const int own_gate = arrange_descriptors(options, gate);
    gate = own_gate;
    await_go(gate);
    become_engine(options, uid);
  } catch (const std::exception& exception) {
    report(gate, error_from(exception));
    ::_exit(127);
  }
}

// --- In the monitor
// -----------------------------------------------------------------------------------------------------

struct Cloned {
  pid_t pid;
  UniqueFd pidfd;
};

Cloned clone_into_namespaces() {
  int pidfd = -1;
  clone_args arguments = {};
  arguments.flags = kNamespaces | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) {
    const int saved_errno = errno;
    // The kernel's word for a limit of user.max_*_namespaces.
    if (saved_errno == ENOSPC || saved_errno == EUSERS) {
      throw Error(Code::kExhausted,
                  "cannot make the engine's namespaces: the host's limit of them is reached",
                  "see 'sysctl user.max_user_namespaces user.max_net_namespaces', and run 'knaller doctor'");
    }
    throw errno_error(saved_errno, "make the engine's namespaces")
        .with_hint("user namespaces may be forbidden on this host; run 'knaller doctor'");
  }
  return {static_cast<pid_t>(pid), UniqueFd(pidfd)};
}

// Ids are mapped to themselves: the files stay the user's, and an ordinary user's capabilities vanish at
// exec.
void write_id_maps(pid_t pid, uid_t uid, gid_t gid) {
  const auto write_map = [pid](const char* file, const std::string& content) {
    const std::string path = fmt::format("/proc/{}/{}", pid, file);
    const UniqueFd fd = open_at(AT_FDCWD, path, O_WRONLY);
    if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
      fail_errno("write '{}'", path);
    }
  };
  write_map("setgroups", "deny");
  write_map("uid_map", fmt::format("{} {} 1", uid, uid));
  write_map("gid_map", fmt::format("{} {} 1", gid, gid));
}

}  // namespace

EngineProcess EngineProcess::start(const EngineOptions& options) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  auto [ours, theirs] = make_socket_pair();
  Cloned cloned = clone_into_namespaces();
  if (cloned.pid == 0) {
    ours.reset();
    run_child(options, theirs.get(), uid);
  }
  EngineProcess engine;
  engine.child_ = Child(cloned.pid, std::move(cloned.pidfd));
  engine.namespaces_ =
      net::VmNamespaces::of(cloned.pid);  // it waits at the gate, and is still our own program
  theirs.reset();
  write_id_maps(cloned.pid, uid, gid);
  write_all(ours.get(), "g", "the engine's gate");
  engine.gate_ = std::move(ours);
  return engine;
}

namespace {

struct GateMessage {
  char first = 0;  // 0: end of file
  UniqueFd listener;
};

GateMessage receive(int gate) {
  GateMessage received;
  iovec data = {&received.first, 1};
  int listener = -1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof listener)] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(gate, &message, MSG_CMSG_CLOEXEC);
  if (got < 0) fail_errno("read the engine's gate");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof listener)) {
    std::memcpy(&listener, CMSG_DATA(header), sizeof listener);
    received.listener.reset(listener);
  }
  return received;
}

}  // namespace

bool EngineProcess::advance_start() {
  GateMessage message = receive(gate_.get());
  if (message.first == kFiltered) {
    listener_ = std::move(message.listener);
    return false;
  }
  const UniqueFd gate = std::move(gate_);
  if (message.first == 0) return true;
  const std::string report = message.first + read_to_end(gate.get(), kErrorLimit, "the engine's gate");
  throw error_from_json(parse_json(report, "the engine's report", Code::kInternal));
}

}  // namespace knaller::monitor
