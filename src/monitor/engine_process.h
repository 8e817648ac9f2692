// The engine as pid 1 of its own user, pid, mount, network, IPC and host name namespaces, in its jail,
// without any capability, and with a filter over its system calls.
//
// start() clones: the calling process must have one thread at that moment, since the child allocates memory
// before it executes. The child dies with the thread that started it, and with it everything in its pid
// namespace.
#ifndef KNALLER_MONITOR_ENGINE_PROCESS_H_
#define KNALLER_MONITOR_ENGINE_PROCESS_H_

#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "monitor/call_filter.h"
#include "monitor/jail.h"
#include "net/host.h"
#include "net/plan.h"
#include "net/vm_namespaces.h"

namespace knaller::monitor {

// The engine's descriptor that holds the alive lock; named to it by KNALLER_ALIVE_FD, so that knaller-qemu
// can hand it on.
inline constexpr int kEngineLockFd = 3;

// Makes the namespaces of an engine, with a child that mounts in them and ends: where AppArmor restricts
// them, they can be made by some programs, and used by fewer. Throws why not.
void try_namespaces();

struct EngineNetwork {
  net::Plan plan;
  net::HostNetwork host;
};

struct EngineOptions {
  JailOptions jail;
  std::vector<std::string> arguments;  // without argv[0]
  std::optional<EngineNetwork> network;
  bool control_link = false;  // to the guest's agent
  CallFilter filter = CallFilter::kFirecracker;
  uint64_t file_limit = INT64_MAX;  // the most bytes that one of its files may have
  int control_group = -1;           // into which it is cloned; -1: it stays in the monitor's
  int lock_fd = -1;                 // inherited as kEngineLockFd
  int stdout_fd = -1;
  int stderr_fd = -1;
};

class EngineProcess {
 public:
  EngineProcess() = default;
  // Returns as soon as the namespaces are there (pasta may attach); the child goes on by itself.
  static EngineProcess start(const EngineOptions& options);

  // Where it was cloned into, wherever it may be now.
  const net::VmNamespaces& namespaces() const { return namespaces_; }

  Child& child() { return child_; }
  const Child& child() const { return child_; }
  explicit operator bool() const { return static_cast<bool>(child_); }

  // Readable whenever there is something for advance_start().
  int gate_fd() const { return gate_.get(); }
  bool starting() const { return static_cast<bool>(gate_); }
  // Takes one message of the child's. The first gives the listener, which must be answered for (CallGuard)
  // before anything can be executed; the second says that the engine executes: then the gate is closed and
  // this is true. Throws the child's own error, with the gate closed.
  bool advance_start();
  // The listener that gets the filter's refusals; nothing where there can be none.
  UniqueFd take_listener() { return std::move(listener_); }

 private:
  Child child_;
  net::VmNamespaces namespaces_;
  UniqueFd gate_;
  UniqueFd listener_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_ENGINE_PROCESS_H_
