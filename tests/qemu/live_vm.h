// For tests: a real guest on knaller-qemu, under emulation, and what it said on its console.
#ifndef KNALLER_TESTS_QEMU_LIVE_VM_H_
#define KNALLER_TESTS_QEMU_LIVE_VM_H_

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "engine.h"
#include "firecracker/request.h"

namespace knaller::test {

// The folder with `bzImage`, `initramfs` and `vmlinux`, made from Debian's packages at the first use. Throws
// when there is no QEMU or the packages cannot be had.
const std::string& guest_files();

// Guests under emulation are slow, on a busy machine very slow.
Deadline guest_patience();

struct Tick {
  int number = 0;
  std::string line;
  bool has(const std::string& text) const { return line.find(text) != std::string::npos; }
};

struct LiveOptions {
  std::vector<std::string> wrapper;  // words in front of knaller-qemu's command line
  bool jailed = false;               // in the monitor's jail: pid 1, no capability, the folder is /vm
  // Jailed: puts files into the folder before the jail is built, and names those that are bound read-only.
  std::function<std::vector<std::string>(const EngineFolder&)> prepare;
};

struct RunningEngine {
  Child child;
  std::jthread guard;  // jailed: answers for the engine's filter, as the monitor's loop does
};

class LiveVm {
 public:
  // An engine without a VM, in a folder of its own.
  explicit LiveVm(const LiveOptions& options = {});

  const EngineFolder& folder() const { return folder_; }
  const firecracker::Client& client() const { return client_; }
  Child& child() { return engine_.child; }

  // Links kernel and initramfs into the folder, makes `disk.ext4` (16 MiB, label DISK-A) and `other.ext4` (24
  // MiB, DISK-B).
  void add_guest_files();
  // Configures with disk.ext4 as root and starts.
  void boot(uint32_t vcpus = 1, const std::string& kernel = "bzImage");
  void pause();
  void resume();
  // Of the paused VM, as `state` and `memory`.
  void save();
  // Takes another VM's `state`, `memory` (0400, as in a snapshot) and disk, and loads them.
  void load_from(const EngineFolder& snapshot, bool resume = true,
                 std::vector<firecracker::NetworkOverride> overrides = {});
  void load(bool resume = true, std::vector<firecracker::NetworkOverride> overrides = {});

  // Waits for a whole line with this text in it behind everything that was looked at before.
  std::string wait_for_line(const std::string& text);
  Tick next_tick();
  // The last whole tick that is there now; number 0 when there is none.
  Tick last_tick() const;
  std::string console() const { return folder_.read("console"); }
  std::string answer_to(const firecracker::Request& request);  // "204 ", "400 {…}"

  pid_t qemu_pid() const;

 private:
  EngineFolder folder_;
  RunningEngine engine_;
  firecracker::Client client_;
  size_t looked_at_ = 0;
};

// `parent-state`, `parent-memory` and the disk, from a saved VM's folder.
void copy_snapshot(const EngineFolder& from, const EngineFolder& to);
void add_disk(const EngineFolder& folder, const std::string& name, uint64_t bytes, const std::string& label);
std::string digest_of(const EngineFolder& folder, const std::string& name);
firecracker::Request request(const std::string& method, const std::string& path, const std::string& body);

}  // namespace knaller::test

#endif  // KNALLER_TESTS_QEMU_LIVE_VM_H_
