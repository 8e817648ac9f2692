// knaller: start, stop, enter and snapshot microVMs.
//
//   knaller::Manager manager({.home = "/var/lib/ci/knaller"});
//   auto vm = manager.start({.name = "web", .image = "tiny"});
//   auto snapshot = manager.create_snapshot({.vm = "web"});
//
// A Manager holds no state of its own: what is true of a VM is in its directory and its processes, so any
// number of Managers, in any number of processes, may work on one home. One Manager may be used from several
// threads at once.
//
// Every call blocks until it is done; those that may take long until the timeout or the stop token of their
// options, too (Code::kTimeout, Code::kCancelled): what they had begun is then undone, unless they say
// otherwise. Failures are knaller::Error; nothing is printed, and no signal handler, working directory or
// environment is touched. Children are waited for by pidfd only. The program may have its own handler of
// SIGCHLD, but must not ignore the signal or reap children that it did not start (wait for a pid or pidfd,
// not for any child).
#ifndef KNALLER_MANAGER_H_
#define KNALLER_MANAGER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "knaller/error.h"
#include "knaller/types.h"
#include "knaller/watch.h"

#if defined(__GNUC__)
#define KNALLER_API __attribute__((visibility("default")))
#else
#define KNALLER_API
#endif

namespace knaller {
inline namespace v0 {

struct ManagerOptions {
  std::string home;     // empty: the default of default_home()
  std::string libexec;  // where knaller-monitor and knaller-qemu are; empty: looked for next to the running
                        // program, in ../libexec/knaller from there, and where this library was installed
  std::string pasta;    // empty: found on PATH
  EventSink on_event;
  // Every Manager first removes what interrupted commands left behind. False: it stays, for check_store() to
  // report.
  bool sweep = true;
  bool allow_network_home = false;  // a home on NFS or FUSE is refused unless this is set
};

struct StartOptions {
  WaitOptions wait;
  // The VM ends and is removed when this Manager's process ends or the returned Tie is destroyed (`knaller
  // run`).
  bool tie = false;
  std::stop_token stop;
};

struct RestoreOptions {
  std::string name;      // empty: one is made up
  std::string snapshot;  // id, unique beginning of an id, or name
  // Absent: the snapshot's, on other host ports where those are taken; of an imported snapshot only its guest
  // ports, each on a free port of 127.0.0.1.
  std::optional<std::vector<PortForward>> ports;
  bool trust_ports = false;  // takes host ports and addresses from an imported snapshot, too
  // absent: the snapshot's. kNone for a guest with a network device: it keeps the device, which leads
  // nowhere.
  std::optional<NetworkMode> network;
  EgressChanges egress;  // to the snapshot's; what is absent stays
  LimitChanges limits;   // to the snapshot's limits; what is absent stays
  EngineChoice engine;
  bool force = false;   // overrides the checks that are judgement (CheckRow::judgement), never damage
  bool verify = false;  // reads all of the snapshot first and compares it with its digests
  // Boots the snapshot's disk cold, with its kernel and settings, instead of continuing where it was taken:
  // memory and devices are not looked at, and any engine will do.
  bool disk_only = false;
};

// Keeps a tied VM alive; its destruction lets the monitor end and remove it.
class KNALLER_API Tie {
 public:
  Tie();
  explicit Tie(int fd);
  Tie(Tie&&) noexcept;
  Tie& operator=(Tie&&) noexcept;
  ~Tie();
  void release();  // the VM goes on without us

 private:
  int fd_ = -1;
};

struct Started {
  VmInfo vm;
  Tie tie;  // empty unless StartOptions::tie; then keep it: its end is the VM's
};

// A VM is put back to a snapshot of it, in its place: same name, uuid, ports and network.
struct RollbackOptions {
  std::string name;
  std::string snapshot;  // id, unique beginning of an id, or name; empty: the latest of this VM that is not a
                         // safety snapshot
  bool safety = true;    // keep a snapshot of its present state, labelled safety=rollback
  bool force = false;    // override checks that are judgement, and accept the snapshot of another VM, or one
                         // that was imported
  bool verify = false;   // as in RestoreOptions
  CaptureWay capture = CaptureWay::kAuto;                         // as in SnapshotOptions
  std::chrono::milliseconds max_pause = std::chrono::seconds(5);  // as in SnapshotOptions
  WaitOptions wait;
  std::stop_token stop;
};

struct StopOptions {
  std::chrono::milliseconds timeout =
      std::chrono::seconds(10);  // the guest's time to shut down before it is ended
  bool force = false;            // end it at once
  std::stop_token stop;
};

struct ListOptions {
  // false: only the names and states of VMs that are stopped, which is faster where there are many.
  bool stopped_in_full = true;
};

struct RemoveOptions {
  bool force = false;  // ends a running VM; an absent one is no error
  std::stop_token stop;
};

// A VM that stands still for a snapshot, as SnapshotOptions::while_paused sees it.
struct PausedVm {
  std::string directory;  // of the snapshot being made: files put there become part of it
  std::chrono::steady_clock::time_point deadline;  // past it the snapshot fails
};

struct SnapshotOptions {
  std::string vm;
  std::string name;  // optional, unique
  std::map<std::string, std::string> labels;
  bool durable = true;  // false: not fsync'd
  bool disk = true;     // false: the VM's own disk is left out, for it is kept elsewhere
  bool wait = true;     // false: kBusy at once while another snapshot of this VM, or its stop, is under way
  CaptureWay capture = CaptureWay::kAuto;
  std::chrono::milliseconds max_pause =
      std::chrono::seconds(5);  // past it the snapshot fails and the VM runs
  // Called on the calling thread while the VM stands still, once memory and disk have been taken. What it
  // throws fails the snapshot; the VM runs on all the same.
  std::function<void(const PausedVm&)> while_paused;
  std::stop_token stop;
};

// What is absent stays as it is.
struct SnapshotChange {
  std::optional<std::string> name;  // unique among snapshots; empty: none
  std::map<std::string, std::string> set_labels;
  std::vector<std::string> remove_labels;  // keys; one that is not there is no error
  std::optional<bool> is_protected;
  std::stop_token stop;
};

// Removes what matches `vm` and all of `labels`, is not among the last `keep_last` such ones of its VM, and
// is not younger than `max_age`. At least one rule has to be given. Protected, broken and foreign snapshots
// stay, and do not count. Imported ones belong to no VM of this home: with `vm` or `keep_last` they stay and
// do not count, and their age is the time since their import.
struct PruneOptions {
  std::string vm;                                                          // empty: of any
  std::vector<std::pair<std::string, std::optional<std::string>>> labels;  // key; value, absent: any
  std::optional<uint64_t> keep_last;
  std::optional<std::chrono::milliseconds> max_age;
  bool dry_run = false;  // only reports what would be removed
  std::stop_token stop;
};

struct VerifyOptions {
  std::stop_token stop;
};

// Where a snapshot goes as one stream: to `file`, or to a descriptor.
struct ExportOptions {
  std::string snapshot;  // id, unique beginning of an id, or name
  std::string file;      // appears when it is whole, mode 0600; kAlreadyExists if it exists
  bool replace = false;  // an existing `file`
  int output_fd = -1;    // instead: a pipe, a socket, a file; the caller closes it
  bool thin = false;     // without base disk, kernel and initramfs, which the other home must have
  int level = 3;         // of zstd, 1 to 19
  unsigned threads = 0;  // 0: as many as there are cores; the stream is the same
  std::stop_token stop;
};

struct ExportResult {
  SnapshotInfo snapshot;
  uint64_t data_bytes = 0;            // that went into the stream; holes do not count
  uint64_t stream_bytes = 0;          // as compressed
  bool has_key = false;               // with the key that opens its VMs
  std::vector<std::string> left_out;  // files, with `thin`
};

// From `path`, or from a descriptor.
struct ImportOptions {
  std::string path;   // a file that export_snapshot() wrote, or a snapshot's directory, the Go program's too
  int input_fd = -1;  // instead: a stream of export_snapshot(); the caller closes it
  std::string name;   // its name here, optional; kAlreadyExists when another snapshot has it
  bool keep_name = false;  // the name that it has where it comes from, unless another snapshot has it here
  bool force = false;      // takes sizes that are larger than this host is likely to have room for
  std::stop_token stop;
};

struct ImportResult {
  SnapshotInfo snapshot;
  bool was_there = false;    // the same snapshot: nothing was done
  std::string was;           // its id where it comes from, when it got another one here; else empty
  std::string dropped_name;  // its name there, when it doesn't have it here; else empty
};

// Files, folders and links from a snapshot's disk, each under the last part of its path. Links on the way are
// followed inside the disk; a path that is a link is copied as the link, unless it ends in "/". "/" is the
// contents of the whole disk.
struct ExtractOptions {
  std::string snapshot;            // id, unique beginning of an id, or name
  std::vector<std::string> paths;  // as the guest sees them
  std::string destination;         // a folder, made when it is not there; nothing outside it is touched
  // Instead of `destination`: takes a tar stream (pax, with numeric owners), on the calling thread.
  std::function<void(std::string_view)> tar;
  std::stop_token stop;
};

struct DiffOptions {
  std::stop_token stop;
};

struct StoreCheckOptions {
  bool repair = false;  // false: nothing is changed
  std::stop_token stop;
};

// How a process in a guest, or the VM itself, ended.
struct ExecResult {
  int exit_code = 0;  // the command's own
  int signal = 0;     // the signal's number when one ended it, else 0
  bool left = false;  // it runs on: the caller has left it (ExecOptions::leave_key)
};

struct ExecOptions {
  std::vector<std::string> argv;  // each is passed literally
  std::string shell_command;      // instead of argv: given to the guest's shell as it stands
  std::string user = "root";
  std::vector<std::pair<std::string, std::string>> environment;
  std::string working_directory;
  bool tty = false;  // ask for a terminal in the guest
  // The caller's descriptors; -1: nothing to read, output is dropped. With `tty`, the caller sets its
  // terminal to raw mode.
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
  // Each byte read from it is a signal number to pass on, or 0 for "the window changed". -1: none.
  int signal_fd = -1;
  // With `tty`: typed, it ends this without ending the command. 0: none does.
  char leave_key = 0;
  // detach() alone: its input stays open, for whoever attaches to it, where it would be at its end.
  bool keep_input = false;
  // Called on the caller's thread when the guest has taken the command: `signal_fd` and the input are read
  // from now on.
  std::function<void()> on_started;
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
  std::stop_token stop;
};

struct ConnectOptions {
  std::string vm;
  uint16_t port = 0;  // TCP, on the guest's own 127.0.0.1 or ::1
  // The caller's descriptors; -1: nothing to read, output is dropped. The end of the input is passed on.
  int input_fd = -1;
  int output_fd = -1;
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
  std::stop_token stop;
};

struct ForwardOptions {
  std::string vm;
  std::vector<PortForward> ports;  // TCP alone
  // Called on the caller's thread for each that listens, with the port that was chosen.
  std::function<void(const PortForward&)> on_listening;
  std::stop_token stop;
};

// A command that exec() or detach() began in a guest, and that runs, or whose end nobody has asked for yet.
struct SessionInfo {
  std::string id;   // 32 hexadecimal digits
  int process = 0;  // in the guest
  std::string user;
  SystemTime started_at{};        // by the guest's clock
  std::vector<std::string> argv;  // the first 4 KiB
  bool detached = false;
  bool attached = false;  // somebody is connected to it
  bool tty = false;
  bool running = true;
  ExecResult result;  // when it does not run
};

struct CopyOptions {
  std::string vm;
  enum class Direction { kToGuest, kFromGuest } direction = Direction::kToGuest;
  std::string host_path;
  int stream_fd = -1;      // instead of host_path: what the file's content is read from, or written to
  std::string guest_path;  // from the user's home on, unless it begins with a slash
  std::string user;        // in the guest, by name or number; empty: root
  // Owners by their numbers where the one who writes may set them, and modes whatever the umask is. On this
  // host never set-user-id and the like.
  bool archive = false;
  bool xattrs = false;  // extended attributes; from a guest only those of `user.`
  // Links stay what they are: the source itself, too, and from a guest also those that lead out of what is
  // copied, which are refused otherwise (kPermission).
  bool links = false;
  uint64_t max_bytes = UINT64_MAX;  // of content; more is kExhausted
  std::stop_token stop;
};

struct LogOptions {
  std::string vm;
  bool engine = false;  // the engine's log instead of the console
  int64_t lines = -1;   // how many of the last; -1: all
  bool follow = false;  // until the VM ends or the caller stops
  std::stop_token stop;
};

struct ImageBuildOptions {
  std::string kind;  // "tiny" or "debian"
  std::string name;  // empty: as kind
  uint64_t disk_mib = 0;
  std::vector<std::string> packages;
  bool replace = false;  // of an image of that name
  std::stop_token stop;
};

struct ImageImportOptions {
  std::string name;
  std::string kernel;
  std::string rootfs;
  std::string initrd;
  bool replace = false;  // of an image of that name
  EngineChoice engine;   // that its VMs will run on: the kernel must boot there
  std::stop_token stop;
};

// What an ssh client needs to enter a VM.
struct SshTarget {
  std::string host;  // 127.0.0.1
  uint16_t port = 0;
  std::string user;
  std::string key_file;
  std::string known_hosts_file;
  std::string host_alias;  // the name under which known_hosts_file has the host key
  // connect() to port 22 is a way to the server that needs no port of the host's.
  bool has_agent = false;
};

class KNALLER_API Manager {
 public:
  explicit Manager(ManagerOptions options = {});
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  const std::string& home() const;

  // VMs
  Started start(const VmOptions& vm, const StartOptions& options = {});  // a new VM
  Started start_existing(const std::string& name,
                         const StartOptions& options = {});  // a stopped one, as configured
  // Until everything is checked, prepared and saved, the VM runs on; if the other state then does not come
  // up, the VM goes on as it was. Of a VM that does not run, the safety snapshot has the disk. A process that
  // dies meanwhile leaves the VM running, or stopped with the safety snapshot, or rolled back.
  RollbackResult roll_back(const RollbackOptions& options);
  // Throws the error of the first row of check_restore() that failed, before anything is touched.
  Started restore(const RestoreOptions& restore, const StartOptions& options = {});
  // Everything that restore() checks first, one row per check, in its order. Starts nothing, and changes no
  // VM or snapshot. Throws for a snapshot that does not exist; whatever else is wrong is a row.
  std::vector<CheckRow> check_restore(const RestoreOptions& restore, std::stop_token stop = {});
  void stop(const std::string& name, const StopOptions& options = {});
  Started restart(const std::string& name, const StopOptions& stop = {}, const StartOptions& start = {});
  void remove(const std::string& name, const RemoveOptions& options = {});
  // For an existing VM, running or not: makes all of the changes, or none when it throws.
  VmInfo set(const std::string& name, const VmChanges& changes, std::stop_token stop = {});
  void pause(const std::string& name, std::stop_token stop = {});
  void resume(const std::string& name, std::stop_token stop = {});
  // Every one, sorted by name; never fails because of one.
  std::vector<VmInfo> list(const ListOptions& options = {});
  VmInfo inspect(const std::string& name);
  std::string inspect_json(const std::string& name);  // everything known, as one JSON object
  // Blocks until the VM has ended; returns how it ended.
  VmInfo wait(const std::string& name, std::stop_token stop = {});
  // Waits for events, and does not poll. Returns the VMs in the order of the names; with `any`, only those
  // that are in the state by then, and those for which waiting has failed.
  std::vector<Waited> wait_for(const VmWaitOptions& options);
  // One sample, or a stream of them: all VMs at once, sorted by name.
  void stats(const StatsOptions& options, const std::function<void(const std::vector<VmStats>&)>& take);
  // What happened, in the order of time; for each VM as far back as its last 512 KiB to 1 MiB of records go.
  // kNotFound for a name that no VM has, unless `follow` waits for one.
  void events(const EventsOptions& options, const std::function<void(const VmEvent&)>& take);
  void logs(const LogOptions& options, const std::function<void(std::string_view)>& write);

  // Inside a VM
  ExecResult exec(const std::string& name, const ExecOptions& options);
  // Begins a command that outlives the caller, and of whose output the last 256 KiB of each kind are kept
  // until somebody attaches. Returns the id of its session.
  std::string detach(const std::string& name, const ExecOptions& options);
  // The commands that were begun in the VM and run, or whose end nobody has asked for.
  std::vector<SessionInfo> sessions(const std::string& name, std::stop_token stop = {});
  // As exec(), of one that was begun before: from what is kept of its output on. Who was attached to it
  // before is not any more. kNotFound when it is gone.
  ExecResult attach(const std::string& name, const std::string& session, const ExecOptions& options);
  // To the command and all that it started in its process group. kNotFound when it has ended.
  void signal(const std::string& name, const std::string& session, int signal, std::stop_token stop = {});
  void copy(const CopyOptions& options);
  // Until both sides of the connection have ended.
  void connect(const ConnectOptions& options);
  // Until it is stopped (kCancelled). A connection that fails is a note (EventKind::kNote).
  [[noreturn]] void forward(const ForwardOptions& options);
  SshTarget ssh_target(const std::string& name);

  // Snapshots
  SnapshotInfo create_snapshot(const SnapshotOptions& options);
  std::vector<SnapshotInfo> list_snapshots();
  SnapshotInfo inspect_snapshot(const std::string& id);
  std::string inspect_snapshot_json(const std::string& id);
  // kWrongState for one that is protected, with and without `force`.
  void remove_snapshot(const std::string& id, const RemoveOptions& options = {});
  SnapshotInfo change_snapshot(const std::string& id, const SnapshotChange& change);
  // After a failure, what was removed until then is gone.
  PruneResult prune_snapshots(const PruneOptions& options);
  // Reads all of it and compares it with the digests that were made with it. Damage is a result, not an
  // error.
  VerifyResult verify_snapshot(const std::string& id, const VerifyOptions& options = {});
  // Writes a snapshot as one compressed stream, always the same for the same snapshot, name and labels. Its
  // files are checked as for a start; it is import_snapshot() that compares all of it with its digests.
  ExportResult export_snapshot(const ExportOptions& options);
  // Makes a snapshot of what somebody exported; the source may be anybody's. kCorrupt for a stream that is
  // not, to the bit, what was exported; kNotFound when what was left out of it is not in this home. Then
  // nothing is imported.
  ImportResult import_snapshot(const ImportOptions& options);

  // Starts and mounts nothing; the journal of a disk that was in use is taken into account. Modes and times
  // are kept, owners are the caller's, set-user-id and the like are dropped, holes stay holes. A path that
  // does not exist is listed in the result and does not keep the others from being extracted. A failure
  // half-way leaves what was made until then.
  ExtractResult extract_snapshot(const ExtractOptions& options);
  // Files by everything but their times and extended attributes, memory by pages, devices, settings. Nothing
  // is started or mounted.
  SnapshotDiff diff_snapshots(const std::string& a, const std::string& b, const DiffOptions& options = {});

  // Images
  ImageInfo build_image(const ImageBuildOptions& options);
  ImageInfo import_image(const ImageImportOptions& options);
  std::vector<ImageInfo> list_images();
  ImageInfo inspect_image(const std::string& name);
  std::string inspect_image_json(const std::string& name);
  void remove_image(const std::string& name, const RemoveOptions& options = {});

  // The whole home
  StoreUsage measure_store(std::stop_token stop = {});
  // Looks at everything but the contents of large files, which verify_snapshot() reads. Make the Manager
  // without `sweep` to see what interrupted commands left behind.
  StoreReport check_store(const StoreCheckOptions& options = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What this machine can do for a Manager with these options and VMs on that engine, one row per check. A home
// that can't be used is one of them.
KNALLER_API std::vector<CheckRow> doctor(const ManagerOptions& options = {}, const EngineChoice& engine = {});

// $KNALLER_HOME, else $XDG_DATA_HOME/knaller, else ~/.local/share/knaller: the home of a Manager that was
// given none. From the rest of the environment the library reads PATH, to find programs. Monitors and engines
// of VMs don't get it; programs that run for a moment may, and apt's do, for its proxies.
KNALLER_API std::string default_home();
// "0.1.0"
KNALLER_API std::string_view version();

// Parsers of what users write, for programs that take the same options. Throw kInvalidArgument.
KNALLER_API PortForward parse_port(std::string_view text);        // [ADDR:]HOST:GUEST[/tcp|udp]
KNALLER_API EgressMode parse_egress_mode(std::string_view text);  // internet, none
KNALLER_API EgressRule parse_egress_rule(std::string_view text);  // CIDR[:PORT[/tcp|udp]], dns
KNALLER_API std::string to_string(const EgressRule& rule);
KNALLER_API void check_vm_name(std::string_view name);

}  // namespace v0
}  // namespace knaller

#endif  // KNALLER_MANAGER_H_
