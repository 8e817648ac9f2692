// The values that knaller's library takes and gives. Plain data; nothing here does anything.
#ifndef KNALLER_TYPES_H_
#define KNALLER_TYPES_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "knaller/error.h"

namespace knaller {
inline namespace v0 {

using SystemTime = std::chrono::system_clock::time_point;

// --- What the library reports while it works

enum class EventKind {
  kStep,      // something began: "building image 'tiny'"
  kProgress,  // bytes of the current step: done, total (0: unknown)
  kConsole,   // a piece of the guest's console, while starting
  kNote,      // something the user should know: "the host has no default route: the guest is offline"
  kTiming,    // a phase ended: text is its name, duration its length
};

struct Event {
  EventKind kind = EventKind::kStep;
  std::string text;
  uint64_t done = 0;
  uint64_t total = 0;
  std::chrono::microseconds duration{0};
};

// Called on the thread that called the library, never concurrently. May be empty.
using EventSink = std::function<void(const Event&)>;

// --- Options

enum class EngineKind { kAuto, kFirecracker, kQemu };

struct EngineChoice {
  EngineKind kind = EngineKind::kAuto;
  std::string path;  // a binary; empty: found on PATH (Firecracker) or in libexec (knaller-qemu)
};

enum class Protocol { kTcp, kUdp };

struct PortForward {
  std::string address = "127.0.0.1";
  uint16_t host = 0;  // 0: a free one is chosen
  uint16_t guest = 0;
  Protocol protocol = Protocol::kTcp;

  bool operator==(const PortForward&) const = default;
};

// Where a guest may, or may not, open connections to, apart from what is never open to it
// (docs/networking.md).
struct EgressRule {
  std::string to;                    // "10.0.0.0/8", "192.0.2.7", or "dns": the guest's own name server
  uint16_t port = 0;                 // 0: every port
  std::optional<Protocol> protocol;  // absent: every one

  bool operator==(const EgressRule&) const = default;
};

enum class EgressMode { kInternet, kNone };

// A denial beats an allowance, an allowance beats the mode.
struct Egress {
  EgressMode mode = EgressMode::kInternet;
  std::vector<EgressRule> allow;
  std::vector<EgressRule> deny;

  bool operator==(const Egress&) const = default;
};

// What of it to change; absent: stays as it is. A list takes the place of the one before.
struct EgressChanges {
  std::optional<EgressMode> mode;
  std::optional<std::vector<EgressRule>> allow;
  std::optional<std::vector<EgressRule>> deny;

  bool operator==(const EgressChanges&) const = default;
};

enum class NetworkMode { kRootless, kNone };
enum class OnReboot { kRestart, kStop };

// How much may pass per second. What was not used is saved up to `burst`, which may then pass at once.
struct Rate {
  uint64_t per_second = 0;  // 0: no limit
  uint64_t burst = 0;       // 0: one second's worth

  bool operator==(const Rate&) const = default;
};

// What a VM may take of its host. 0: no limit of your own; docs/limits.md says what limits every VM.
struct Limits {
  // Enforced by the VM's control group, of version 2
  uint32_t milli_cpus = 0;  // processor time, in thousandths of a processor
  uint32_t cpu_weight = 0;  // its share where processors are short, 1 to 10000; others have 100
  uint64_t memory_mib = 0;  // of the whole VM: guest, engine, network, page cache; 0: what it needs
  bool any_memory = false;  // instead: as much as it takes
  uint32_t processes = 0;   // and threads, of engine and network; 0: what they need
  // Below which group it gets its own, relative to the hierarchy or to what is delegated to the user; empty:
  // "knaller".
  std::string slice;
  // Where control groups can't enforce a limit, the VM is started all the same, with a kNote; else that is
  // kUnsupported.
  bool best_effort = false;

  // Enforced by the engine (on QEMU, the network's by devices of the VM's namespace): each drive by itself,
  // each direction of the network by itself
  Rate disk_bandwidth;     // bytes
  Rate disk_operations;    // reads and writes
  Rate network_bandwidth;  // bytes

  bool operator==(const Limits&) const = default;
};

// Which limits to change; absent: stays as it is.
struct LimitChanges {
  std::optional<uint32_t> milli_cpus;
  std::optional<uint32_t> cpu_weight;
  std::optional<uint64_t> memory_mib;
  std::optional<bool> any_memory;
  std::optional<uint32_t> processes;
  std::optional<std::string> slice;  // of a VM that runs: at its next start
  std::optional<bool> best_effort;
  std::optional<Rate> disk_bandwidth;
  std::optional<Rate> disk_operations;
  std::optional<Rate> network_bandwidth;

  bool operator==(const LimitChanges&) const = default;
};

// What a new VM is made of. Everything that is empty or absent has its default.
struct VmOptions {
  std::string name;   // empty: one is made up
  std::string image;  // empty, and no kernel: "tiny"
  // A guest of the user's own instead of an image; kernel and rootfs together.
  std::string kernel;
  std::string rootfs;
  std::string initrd;
  std::string kernel_args;  // appended to knaller's own

  uint32_t vcpus = 1;
  uint64_t memory_mib = 1024;
  uint64_t disk_mib = 0;  // private disk; 0: the image's default

  NetworkMode network = NetworkMode::kRootless;
  std::vector<PortForward> ports;
  Egress egress;
  Limits limits;
  OnReboot on_reboot = OnReboot::kRestart;
  EngineChoice engine;
};

// What to change about an existing VM, running or not; absent: stays as it is.
struct VmChanges {
  EgressChanges egress;
  LimitChanges limits;
  std::optional<uint64_t> disk_mib;  // its private disk's, for a stopped VM: larger than it is
};

struct WaitOptions {
  bool ready = true;  // false: return as soon as the guest runs
  std::chrono::milliseconds timeout = std::chrono::minutes(2);
};

// --- What there is

enum class VmState {
  kStarting,
  kRunning,
  kPaused,
  kStuck,    // the engine does not answer
  kStopped,  // ended as it should; start it again, or remove it
  kCrashed,  // ended otherwise; `reason` says how
  kBroken,   // its directory can't be read; `reason` says why
  kForeign,  // of the Go program
};
std::string to_string(VmState state);  // "running"

// What a VM uses at the moment, engine and network together.
struct VmUsage {
  uint64_t memory_bytes = 0;  // page cache included
  uint64_t processes = 0;     // and threads
  std::chrono::microseconds cpu{0};
};

struct VmInfo {
  std::string name;
  std::string uuid;
  VmState state = VmState::kBroken;
  std::string reason;   // why it is crashed, broken or stuck; how it ended
  std::string network;  // "rootless", "none", "down"
  std::string network_reason;
  SystemTime created_at{};
  std::optional<SystemTime> started_at;
  uint32_t vcpus = 0;
  uint64_t memory_mib = 0;
  std::vector<PortForward> ports;
  Egress egress;
  Limits limits;
  std::string control_group;     // its path; empty: none, or the VM does not run
  std::optional<VmUsage> usage;  // by the control group
  bool agent = false;            // exec(), copy(), connect() and forward() reach its guest
  std::string image;
  std::string engine;          // "firecracker" or "qemu"
  std::string engine_version;  // "1.16.1"
  std::string from_snapshot;   // id, empty for a fresh VM
  std::string directory;
  bool renewed = true;  // clones: clock, randomness and hostname were renewed
  std::string renew_reason;
  int monitor_pid = 0;  // 0 unless it runs
  int engine_pid = 0;
};

// How a snapshot gets the guest's memory.
enum class CaptureWay {
  kAuto,     // kOutside where it is known to work with this engine here, else kEngine
  kOutside,  // read from the engine's process: only what changed, and nothing is synced in the pause
  kEngine,   // written by the engine, all of it
};
std::string to_string(CaptureWay way);  // "outside"

struct SnapshotInfo {
  std::string id;
  std::string uuid;
  std::string name;  // the user's own, may be empty
  std::map<std::string, std::string> labels;
  std::string vm_name;
  SystemTime created_at{};
  uint32_t vcpus = 0;
  uint64_t memory_mib = 0;
  std::vector<PortForward> ports;
  std::string engine;
  std::string engine_version;
  std::string image;
  std::string parent;                   // the snapshot that the VM came from, may be empty
  std::chrono::microseconds paused{0};  // how long the guest stood still
  std::optional<SystemTime> paused_at;  // absent when it was already paused or stopped
  std::optional<SystemTime> resumed_at;
  std::string capture;         // how the memory was taken: "outside" or "engine"
  std::string capture_reason;  // why not from outside
  bool has_disk = true;        // false: its disk is kept elsewhere
  bool has_memory = true;      // false: of a VM that did not run; a start boots its disk
  uint64_t allocated_bytes = 0;
  bool is_protected = false;  // it can't be removed until it is unprotected
  bool durable = true;        // false: taken without waiting until it was on the disk
  bool foreign = false;       // of the Go program
  // When this home imported it, by this host's clock; absent for one that was taken here. What an imported
  // snapshot says about itself (vm_name, created_at, ports, labels) is the word of whoever made the archive.
  std::optional<SystemTime> imported;
  std::string broken;  // why it can't be used; empty when it can
  std::string directory;
};

struct RollbackResult {
  VmInfo vm;
  std::string snapshot;         // the one it was put back to
  std::string safety_snapshot;  // of its state before; empty when none was to be kept
};

struct PrunedSnapshot {
  SnapshotInfo snapshot;
  uint64_t freed_bytes = 0;  // of files that had no name elsewhere
};

struct PruneResult {
  std::vector<PrunedSnapshot> removed;  // in the order in which they went, oldest first
  uint64_t freed_bytes = 0;
};

// The first thing that is wrong with a file of a snapshot.
struct SnapshotDamage {
  std::string file;
  std::optional<uint64_t> offset;  // where the damaged 4 MiB begin; absent: the file as a whole
  std::string reason;
};

struct VerifyResult {
  enum class Status {
    kOk,
    kDamaged,
    kUnverifiable,  // of the Go program, which stores no digests
  };
  std::string id;
  Status status = Status::kOk;
  std::string reason;                   // why it is not ok
  std::vector<SnapshotDamage> damages;  // at most one per file
  uint64_t checked_bytes = 0;           // that have a digest; holes do not count
};

struct ExtractResult {
  std::string id;
  uint64_t files = 0;                // regular files, folders and links
  uint64_t bytes = 0;                // of their contents, without holes
  std::vector<std::string> skipped;  // devices, pipes, sockets, and what is encrypted; the first 100
  std::vector<std::string> missing;  // the paths asked for that are not there
};

// A file that differs between two snapshots, as their guests see it.
struct FileChange {
  enum class Kind { kAdded, kChanged, kRemoved };
  Kind kind = Kind::kChanged;
  std::string path;
  std::string type;   // "file", "directory", "link", "device", "pipe", "socket"; of the later one
  uint64_t size = 0;  // of a file
  std::vector<std::string>
      what;  // of a change: "type", "mode", "owner", "size", "content", "target", "device"; "unreadable": its
             // content can't be compared, because it is encrypted, say
};

// Something about the machine that differs: "vcpus", "memory_mib", "kernel", "ports", …
struct SettingChange {
  std::string name;
  std::string a;
  std::string b;
};

// From snapshot `a` to snapshot `b`.
struct SnapshotDiff {
  std::string a;
  std::string b;
  std::vector<FileChange> files;  // in the order of their paths' parts
  std::string files_reason;       // why files were not compared; empty when they were
  std::string memory_reason;      // why memory and devices were not compared; empty when they were
  uint64_t memory_pages = 0;      // of 4 KiB
  uint64_t differing_pages = 0;
  bool same_devices = true;  // the saved states are the same to the bit
  uint64_t device_bytes_a = 0;
  uint64_t device_bytes_b = 0;
  std::vector<SettingChange> settings;
};

// What an entry of the home occupies on the disk, in bytes. Several names of one file within it count once.
struct UsageRow {
  enum class Kind { kImage, kSnapshot, kVm, kOther };
  Kind kind = Kind::kOther;
  std::string name;              // as its directory; empty for kOther: locks, folders, files of others
  uint64_t apparent_bytes = 0;   // the sizes of its files, holes included
  uint64_t allocated_bytes = 0;  // shared_bytes + exclusive_bytes
  uint64_t shared_bytes = 0;     // of files that have names outside of it, too
  uint64_t exclusive_bytes = 0;  // what removing it frees
};

struct StoreUsage {
  std::vector<UsageRow> rows;
  // Of the whole home, every file counted once: what `du -s` shows is allocated_bytes.
  uint64_t apparent_bytes = 0;
  uint64_t allocated_bytes = 0;  // shared_bytes + exclusive_bytes
  uint64_t shared_bytes = 0;
  uint64_t exclusive_bytes = 0;         // the sum of the rows'
  std::vector<std::string> unreadable;  // folders that could not be looked into, or not in full
};

// Something about the home that is not as it should be.
struct StoreFinding {
  enum class Kind {
    kLeftover,  // of an interrupted command; a repair removes it
    kAccess,    // a wrong owner or mode; a repair fixes it
    kDamage,    // it can't be repaired; `remedy` says what to do
    kNote,      // nothing is wrong with the store, but somebody may want to know
  };
  Kind kind = Kind::kNote;
  std::string path;          // below the home
  std::string text;          // what was found
  uint64_t frees_bytes = 0;  // of a leftover: what removing it frees
  bool repaired = false;
  std::string remedy;  // the command to use; may be empty
};

struct StoreReport {
  std::vector<StoreFinding> findings;
  bool clean = true;            // nothing is wrong any more; notes do not count
  uint64_t freeable_bytes = 0;  // what a repair would free
  uint64_t freed_bytes = 0;
};

struct ImageInfo {
  std::string name;
  SystemTime created_at{};
  std::string kernel_version;
  std::string source;  // "tiny", "debian", "imported"
  uint64_t allocated_bytes = 0;
  bool has_base = false;   // boots a shared base with a private disk over it
  int guest_protocol = 0;  // of the helper in the guest; 0: none
  std::string broken;
  std::string directory;
};

struct CheckRow {
  enum class Result { kOk, kWarning, kFailed };
  Result result = Result::kOk;
  std::string name;    // "KVM", "pasta"
  std::string detail;  // what was found
  std::string remedy;  // the exact command that fixes it; empty when there is nothing to do
  // Of Manager::check_restore(): the error with which a restore would end, and whether RestoreOptions::force
  // overrides it.
  std::optional<Code> code = std::nullopt;
  bool judgement = false;
};

}  // namespace v0
}  // namespace knaller

#endif  // KNALLER_TYPES_H_
