#include "monitor/engine_process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "base/fd_passing.h"
#include "base/file.h"
#include "base/json.h"
#include "monitor/engine_child.h"

namespace knaller::monitor {
namespace {

constexpr uint64_t kNamespaces =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
constexpr size_t kErrorLimit = 64 << 10;

struct Cloned {
  pid_t pid;
  UniqueFd pidfd;
};

// Into the group from its first moment on: nothing that it takes is charged to anybody else.
Cloned clone_into_namespaces(int control_group = -1) {
  int pidfd = -1;
  clone_args arguments = {};
  arguments.flags = kNamespaces | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (control_group >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(control_group);
  }
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

// An ordinary user's are mapped to themselves: the files stay the user's, and capabilities vanish at exec.
void write_id_maps(pid_t pid, const EngineIdentity& identity) {
  const auto write_map = [pid](const char* file, const std::string& content) {
    const std::string path = fmt::format("/proc/{}/{}", pid, file);
    const UniqueFd fd = open_at(AT_FDCWD, path, O_WRONLY);
    if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
      fail_errno("write '{}'", path);
    }
  };
  if (!identity.borrowed) write_map("setgroups", "deny");
  write_map("uid_map", fmt::format("{} {} 1", identity.uid, identity.host_uid));
  write_map("gid_map", fmt::format("{} {} 1", identity.gid, identity.host_gid));
}

// What the child needs and can't make; it waits for it.
void let_go(int gate, const EngineOptions& options, const net::VmNamespaces& namespaces) {
  if (!options.jail.identity.borrowed) return send_with_fds(gate, 'g', {}, "the engine");
  const UniqueFd jail = open_beneath(AT_FDCWD, options.jail.directory, O_PATH | O_DIRECTORY);
  const UniqueFd directory = mount_as_own(jail.get(), namespaces.user_fd());
  const UniqueFd devices = mount_devices(options.jail.devices);
  const std::array fds{directory.get(), devices.get()};
  send_with_fds(gate, 'g', fds, "the engine");
}

}  // namespace

void try_namespaces() {
  Cloned cloned = clone_into_namespaces();
  if (cloned.pid == 0) ::_exit(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : errno);
  Child child(cloned.pid, std::move(cloned.pidfd));
  const auto status = child.wait(Deadline::never());
  if (!status->success())
    fail(Code::kPermission, "cannot use the namespaces that were made: {}", status->describe());
}

EngineProcess EngineProcess::start(const EngineOptions& options) {
  auto [ours, theirs] = make_socket_pair();
  Cloned cloned = clone_into_namespaces(options.control_group);
  if (cloned.pid == 0) {
    ours.reset();
    run_engine_child(options, theirs.get());
  }
  EngineProcess engine;
  engine.child_ = Child(cloned.pid, std::move(cloned.pidfd));
  engine.namespaces_ =
      net::VmNamespaces::of(cloned.pid);  // it waits at the gate, and is still our own program
  theirs.reset();
  write_id_maps(cloned.pid, options.jail.identity);
  let_go(ours.get(), options, engine.namespaces_);
  engine.gate_ = std::move(ours);
  return engine;
}

bool EngineProcess::advance_start() {
  ByteWithFds message = receive_with_fds(gate_.get(), "the engine");
  if (!message.end && message.byte == kFiltered) {
    if (!message.fds.empty()) listener_ = std::move(message.fds.front());
    return false;
  }
  const UniqueFd gate = std::move(gate_);
  if (message.end) return true;
  const std::string report = message.byte + read_to_end(gate.get(), kErrorLimit, "the engine's gate");
  throw error_from_json(parse_json(report, "the engine's report", Code::kInternal));
}

}  // namespace knaller::monitor
