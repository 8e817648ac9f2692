// The other commands' side of a monitor: `monitor.sock` in the VM's directory, JSON lines, each with the
// protocol's version.
//
//   auto client = MonitorClient::connect(vm_directory, deadline);
//   auto lease = client.lease("snapshot", deadline);
//   lease.pause(deadline);  …  lease.release(deadline);
//
// One thread at a time for each object. Every call takes a deadline; a monitor that ended meanwhile is
// kEngineDied.
#ifndef KNALLER_MONITOR_CLIENT_H_
#define KNALLER_MONITOR_CLIENT_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"
#include "entry/link.h"
#include "knaller/types.h"
#include "knaller/watch.h"
#include "monitor/exit_record.h"
#include "monitor/spec.h"
#include "monitor/vm_state.h"

namespace knaller::monitor {

namespace life {
enum class Op;
}

// The verb with which taking a snapshot asks for a lease.
inline constexpr char kSnapshotVerb[] = "snapshot create";

struct Status {
  RunState state = RunState::kStarting;
  std::string reason;  // why it is stuck
  pid_t monitor_pid = 0;
  pid_t engine_pid = 0;
  std::chrono::system_clock::time_point since{};  // start of the engine
  std::string network;                            // "rootless", "none", "down"
  std::string network_reason;
  std::vector<PortForward> ports;  // all that are forwarded, SSH's included
  std::optional<Egress> egress;    // absent without a network, and from an older knaller's monitor
  int reboots = 0;                 // since the monitor's start
  std::string lease;               // verb and pid of the lease's holder; empty: free
  bool tied = false;
  std::string control_group;  // empty: none
  std::optional<VmUsage> usage;
};

// What the monitor knows of what a VM uses, without asking its engine.
struct MonitorStats {
  bool told = true;  // false: an older monitor, which doesn't tell `last_snapshot`
  pid_t monitor_pid = 0;
  pid_t engine_pid = 0;                           // 0: none at the moment
  std::chrono::system_clock::time_point since{};  // start of the engine
  uint64_t reboots = 0;
  std::optional<VmStats::Snapshot> last_snapshot;
};

// The right to pause the VM. Its holder asks the monitor to pause and resume, so that the monitor always
// knows the true state and can undo: when the connection ends in any way, a VM that was not paused when the
// lease was given runs again.
class Lease {
 public:
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&&) noexcept = default;

  bool was_paused() const { return was_paused_; }  // when the lease was given
  // And for how long by then; 0 of an older monitor, which does not tell.
  std::chrono::microseconds was_paused_for() const { return was_paused_for_; }
  void pause(const Deadline& deadline);
  void resume(const Deadline& deadline);
  void release(const Deadline& deadline);       // resumes if it must, and waits for that
  void leave_paused(const Deadline& deadline);  // gives the lease back and lets the VM stay paused

 private:
  friend class MonitorClient;
  explicit Lease(UniqueFd socket) : socket_(std::move(socket)) {}
  nlohmann::json call(life::Op op, const Deadline& deadline);

  UniqueFd socket_;
  std::string buffer_;
  bool was_paused_ = false;
  std::chrono::microseconds was_paused_for_{0};
};

class MonitorClient {
 public:
  // kNotFound or kEngineDied when no monitor listens there.
  static MonitorClient connect(int vm_directory, const Deadline& deadline);

  Status status(const Deadline& deadline);
  // In two steps, so that many can be asked at once.
  void ask_status();
  Status take_status(const Deadline& deadline);
  // Readable when the monitor has answered or ended.
  int socket() const { return socket_.get(); }
  // In two steps, too. An older monitor does not know this request; it is then asked for its status.
  void ask_stats();
  MonitorStats take_stats(const Deadline& deadline);
  // Changes what runs, all of it or, when it throws, nothing; an older monitor may have taken the limits
  // alone.
  void set(const RunningChange& change, const Deadline& deadline);
  // With a socket in the VM's network, for a connection to its guest's agent that is not yet begun.
  // kUnsupported for a guest that has none.
  entry::WayIn enter(const Deadline& deadline);
  // Waits its turn while another holds the lease: `on_wait` is called once with the holder ("snapshot (pid
  // 123)"). kBusy, naming the holder, when the deadline passes first.
  Lease lease(const std::string& verb, const Deadline& deadline,
              const std::function<void(const std::string& holder)>& on_wait = {});

  // Asks the guest to shut down, waits for `timeout`, then ends the engine; `force` ends it at once. Returns
  // when the VM has ended, its exit is recorded and its directory is free for the next start. A VM that ends
  // by itself meanwhile, and one whose monitor is killed, has ended.
  static ExitRecord stop(int vm_directory, std::chrono::milliseconds timeout, bool force,
                         const Deadline& deadline);
  // Returns when the VM has ended, in the same sense.
  static ExitRecord wait(int vm_directory, const Deadline& deadline);

 private:
  MonitorClient(UniqueFd directory, UniqueFd socket)
      : directory_(std::move(directory)), socket_(std::move(socket)) {}

  UniqueFd directory_;
  UniqueFd socket_;
  std::string buffer_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_CLIENT_H_
