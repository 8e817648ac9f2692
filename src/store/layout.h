// Every name that knaller gives to something on disk, and one table of what an entry of its home contains.
//
//   HOME/vms/NAME/  parts/  jail/      docs/formats/vm.md
//   HOME/snapshots/ID/                 docs/formats/snapshot.md
//   HOME/images/NAME/                  docs/formats/image.md
//   HOME/locks/  HOME/cache/  HOME/facts.json
//
// The sweep, `store check` and `snapshot verify` go by the table: a file that gets a row there is known to
// all of them. Pure.
#ifndef KNALLER_STORE_LAYOUT_H_
#define KNALLER_STORE_LAYOUT_H_

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace knaller::layout {

// --- The home
inline constexpr char kVms[] = "vms";
inline constexpr char kSnapshots[] = "snapshots";
inline constexpr char kImages[] = "images";
inline constexpr char kLocks[] = "locks";
inline constexpr char kCache[] = "cache";
inline constexpr char kFacts[] = "facts.json";       // remembered of engines and of the host
inline constexpr char kPackages[] = "packages";      // in the cache
inline constexpr char kCaptures[] = "capture.json";  // in the cache

// An entry that is being made, one that is being removed, and one whose name another is about to take, where
// the file system can't exchange names in one step.
inline constexpr std::string_view kNewPrefix = ".new-";
inline constexpr std::string_view kGonePrefix = ".gone-";
inline constexpr std::string_view kOldPrefix = ".old-";
inline constexpr std::array kHiddenPrefixes{kNewPrefix, kGonePrefix, kOldPrefix};

// --- Guests: in images, snapshots, a VM's parts and its jail
inline constexpr char kKernel[] = "vmlinux";
inline constexpr char kInitrd[] = "initramfs";
inline constexpr char kBase[] = "base.ext4";      // shared, read-only
inline constexpr char kDisk[] = "disk.ext4";      // private, over a base
inline constexpr char kRootfs[] = "rootfs.ext4";  // private, without a base
inline constexpr char kMemory[] = "memory";
inline constexpr char kState[] = "state";
inline constexpr char kSshKey[] = "ssh_key";

// --- A VM's directory
inline constexpr char kVmRecord[] = "vm.json";
inline constexpr char kAlive[] = "alive";
inline constexpr char kParts[] = "parts";
inline constexpr char kJail[] = "jail";
inline constexpr char kKnownHosts[] = "known_hosts";
inline constexpr char kPartDigests[] = "digests";
inline constexpr char kMonitorSocket[] = "monitor.sock";
inline constexpr char kExitRecord[] = "exit.json";
inline constexpr char kExitReserve[] = "exit.reserve";  // becomes it on a full disk
inline constexpr char kConsoleLog[] = "console.log";
inline constexpr char kEngineLog[] = "engine.log";
inline constexpr char kEvents[] = "events.jsonl";

// --- The jail
inline constexpr char kApiSocket[] = "api.sock";
inline constexpr char kVsockSocket[] = "vsock.sock";
inline constexpr char kEngineFifo[] = "log";
inline constexpr char kParentMemory[] = "parent-memory";
inline constexpr char kParentState[] = "parent-state";
// What the engine writes for a snapshot; never under the names that it was itself loaded from.
inline constexpr char kNewMemory[] = "new-memory";
inline constexpr char kNewState[] = "new-state";

// --- A snapshot
inline constexpr char kMetadata[] = "metadata.json";
inline constexpr char kManifest[] = "manifest";
inline constexpr char kLabels[] = "labels.json";

// --- An image
inline constexpr char kImageRecord[] = "image.json";
inline constexpr char kWork[] = "work";  // while it is made

// --- The table

enum class Place { kInVm, kInParts, kInJail, kInSnapshot, kInImage };
enum class Writer { kCommand, kMonitor, kEngine };
// What kind of file one of ours must be, and its mode, which keeps others out and forbids writing what is
// never rewritten. What an engine may change is not checked.
enum class Access { kFolder, kPrivate, kImmutable, kEngines };
// When it may be removed.
enum class Leftover {
  kNever,
  kOfTheDead,   // a socket or fifo, when monitor and engine are gone
  kOfACapture,  // when nobody holds the VM's lock
  kOfAnUnmade,  // only in what is being made
};
// Who vouches for it: in snapshots, the digests of the manifest.
enum class Digest { kNone, kInManifest };

struct File {
  Place place;
  std::string_view name;
  Writer writer = Writer::kCommand;
  Access access = Access::kImmutable;
  Leftover leftover = Leftover::kNever;
  Digest digest = Digest::kNone;
};

std::span<const File> files();
// Null for one that has no row.
const File* find(Place place, std::string_view name);
// How a file there must be, whether the table has it or not.
Access access_of(Place place, std::string_view name);
// What may be left over there, and when.
std::vector<std::string> leftovers(Place place, Leftover when);

// Files that come from an image, and that another home may have: they are shared by images, VMs and
// snapshots.
bool comes_from_image(std::string_view name);
// Whether `name` is the temporary file of an atomic write, killed or under way, to a file of `place` that the
// monitor writes, which takes no lock.
bool is_monitors_write(Place place, std::string_view name);

// The file with what a log had before its last rotation.
std::string older_part(std::string_view log);
// "parts/NAME" and "jail/NAME", below a VM's directory.
std::string in_parts(std::string_view name);
std::string in_jail(std::string_view name);

// ".new-NAME"
std::string staged_name(std::string_view name);
// NAME in ".new-NAME", ".gone-NAME" and ".old-NAME"; empty for others.
std::string name_in_hidden(std::string_view entry);

}  // namespace knaller::layout

#endif  // KNALLER_STORE_LAYOUT_H_
