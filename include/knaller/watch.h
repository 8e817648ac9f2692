// Watching VMs: what happens to them, what they use, how they end. Plain values, and the options of the calls
// of Manager that give them.
#ifndef KNALLER_WATCH_H_
#define KNALLER_WATCH_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "knaller/error.h"
#include "knaller/types.h"

namespace knaller {
inline namespace v0 {

// Something that happened to a VM. More kinds may come; the word of each, to_string(), stays.
enum class VmEventKind {
  kCreated,   // it has its name; reported by events() only
  kStarted,   // its engine runs
  kReady,     // the guest has said so on its console
  kRebooted,  // and is being started again
  kPaused,    // text: by whom
  kResumed,
  kChanged,      // a setting, while it ran
  kNetworkLost,  // text: why
  kNetworkRestored,
  kWarning,   // something went wrong, and it goes on
  kStopped,   // it ended as it should
  kCrashed,   // or otherwise; text: how
  kReplaced,  // another VM, or an older state of it, has taken its name; reported by events() only
  kRemoved,   // it is gone; reported by events() only
  kOther,     // of a kind that this version does not know
};
std::string to_string(VmEventKind kind);  // "network_lost"

struct VmEvent {
  SystemTime at{};
  std::string vm;
  VmEventKind kind = VmEventKind::kOther;
  std::string text;  // for people
};

// What some processes have used and use.
struct ProcessUse {
  unsigned processes = 0;
  std::chrono::nanoseconds cpu{0};    // time on processors since they began
  std::optional<double> cpu_percent;  // of one processor, over VmStats::interval
  // Resident memory. What is mapped by two of them counts in both.
  uint64_t private_bytes = 0;         // anonymous, and shared memory without a file
  uint64_t shared_bytes = 0;          // of files, which others may have mapped, too
  std::optional<uint64_t> pss_bytes;  // with StatsOptions::pss: each page divided by how many have it
};

// A running VM, measured. What could not be learnt is absent, and `missing` says why.
struct VmStats {
  std::string name;
  bool running = false;  // for one that is not, nothing but the name and `at` is known
  SystemTime at{};
  // Over which the percentages and what is per second are; 0: there are none.
  std::chrono::nanoseconds interval{0};
  std::chrono::nanoseconds uptime{0};  // since the engine began, at the start or at the last reboot
  uint64_t reboots = 0;                // since the start
  uint64_t memory_mib = 0;             // the guest's
  ProcessUse engine;                   // Firecracker; knaller-qemu and its QEMU
  ProcessUse helpers;                  // the VM's monitor, pasta
  struct Network {                     // as the guest sees it, since the engine began
    uint64_t received_bytes = 0;
    uint64_t received_packets = 0;
    uint64_t sent_bytes = 0;
    uint64_t sent_packets = 0;
    std::optional<double> received_bytes_per_second = {};  // over VmStats::interval
    std::optional<double> sent_bytes_per_second = {};
  };
  std::optional<Network> network;   // absent without one, and that is not missing
  struct Disk {                     // since the engine began
    uint64_t read_bytes = 0;        // that came from storage: what the host's cache had does not count
    uint64_t written_bytes = 0;     // that were, or will be, written to storage
    std::optional<uint64_t> reads;  // operations; known where the VM has a control group of its own
    std::optional<uint64_t> writes;
    std::optional<double> read_bytes_per_second = {};  // over VmStats::interval
    std::optional<double> written_bytes_per_second = {};
    std::optional<double> reads_per_second = {};
    std::optional<double> writes_per_second = {};
  };
  std::optional<Disk> disk;
  struct Snapshot {
    SystemTime at{};                        // when the guest was paused
    std::chrono::microseconds paused{0};    // how long it stood still
    std::chrono::microseconds duration{0};  // how long the snapshot held the VM, with its preparation
  };
  std::optional<Snapshot> last_snapshot;  // since the start; absent when there was none
  std::vector<std::string> missing;
};

// How waiting for a VM came out.
struct Waited {
  std::string name;
  VmInfo vm;                   // of one that is in the state waited for
  std::optional<Error> error;  // else: kTimeout; kNotFound for one that is not there or was removed; …
};

enum class WaitTarget {
  kStopped,  // it has ended, in whichever way
  kRunning,  // its guest runs, and is not paused
  kReady,    // and answers: its SSH server, or, without a network, its word on the console
};

struct VmWaitOptions {
  std::vector<std::string> names;
  WaitTarget target = WaitTarget::kStopped;
  bool any = false;  // return when the first is in that state; false: when all are
  std::chrono::milliseconds timeout = std::chrono::milliseconds::max();
  std::function<void(const Waited&)> on_each;  // called for each as it comes
  std::stop_token stop;
};

struct StatsOptions {
  std::vector<std::string> names;  // empty: all that run, those that come later, too
  bool stream = false;             // until the caller stops; false: one sample
  // Between two samples of a stream. The first has percentages over kFirstInterval.
  std::chrono::milliseconds interval = std::chrono::seconds(1);
  bool pss = false;  // some 40 ms of processor time for each GiB that a guest has touched
  std::stop_token stop;

  static constexpr std::chrono::milliseconds kFirstInterval{200};
};

struct EventsOptions {
  std::vector<std::string> names;   // empty: of all VMs
  std::optional<SystemTime> since;  // leaves out what is older
  bool follow = false;  // continues with what happens, also to VMs that come later, until the caller stops
  std::stop_token stop;
};

}  // namespace v0
}  // namespace knaller

#endif  // KNALLER_WATCH_H_
