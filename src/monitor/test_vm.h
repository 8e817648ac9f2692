// A VM's directory in a fresh home, and the request that launches it with the fake engine: for system tests.
#ifndef KNALLER_MONITOR_TEST_VM_H_
#define KNALLER_MONITOR_TEST_VM_H_

#include <sys/stat.h>

#include <cstdio>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "engine/engine_family.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "monitor/launch.h"

namespace knaller::monitor {

inline const std::string kMonitorProgram = KNALLER_TEST_PROGRAMS "/knaller-monitor";
inline const std::string kFakeEngine = KNALLER_TEST_PROGRAMS "/fake_firecracker";

inline Deadline soon() {
  return Deadline::after(std::chrono::seconds(30));
}

class TestVm {
 public:
  // `home_name`: of the home, below a fresh folder.
  explicit TestVm(const std::string& home_name = "home") : home_(folder_.path(home_name)) {
    spec.entry.name = "web-" + hex(random_bytes(4));
    make_directories(staged("jail"));
    write("jail/vmlinux", "\177ELF" + std::string(64, 'x'));
    write("jail/rootfs.ext4", "a root file system");
    write("alive", "");
    spec.home = home_;
    spec.uuid = make_uuid();
    spec.engine_binary = kFakeEngine;
    static const auto files = engine::engine_files(kFakeEngine, engine::family_of(spec.engine), soon());
    spec.engine_files = files;
    spec.immutable = {"vmlinux"};
    spec.boot = {firecracker::put_machine_config({.vcpus = 1, .memory_mib = 128}),
                 firecracker::put_boot_source({.kernel_image_path = "vmlinux", .boot_args = "console=ttyS0"}),
                 firecracker::put_drive({.id = "rootfs", .path = "rootfs.ext4", .root = true}),
                 firecracker::start_instance()};
  }

  // A failed test leaves no VM behind.
  ~TestVm() {
    // A monitor that still has a test's connections to close is busy; one that has ended meanwhile says
    // nothing.
    for (const Deadline deadline = Deadline::after(std::chrono::seconds(5)); !deadline.expired();) {
      try {
        if (exists(path()) && is_alive(directory().get())) stop(std::chrono::seconds(1), true);
        return;
      } catch (const Error&) {
        pause_for(std::chrono::milliseconds(10), deadline);
      }
    }
  }
  TestVm(const TestVm&) = delete;
  TestVm& operator=(const TestVm&) = delete;

  // It has its name from now on, and an undone start leaves it.
  void keep() {
    if (::rename(staged().c_str(), path().c_str()) != 0) fail_errno("give the test's VM its name");
    spec.entry.how = store::EntryChange::How::kKeep;
  }
  // The fake engine's script (tests/fakes/fake_script.h).
  void script(const std::string& json) { spec.engine_args = {"--script", json}; }

  Launch begin() {
    Launch launch(kMonitorProgram, spec.entry.name);
    launch.begin(spec, soon());
    return launch;
  }
  // Begins, waits for the guest and commits.
  Launch start() {
    Launch launch = begin();
    await(launch, LaunchEvent::Kind::kReady);
    launch.commit(soon());
    return launch;
  }
  static LaunchEvent await(Launch& launch, LaunchEvent::Kind kind) {
    while (auto event = launch.next_event(soon())) {
      if (event->kind == kind) return *event;
    }
    throw Error(Code::kTimeout, "the event did not come");
  }

  const std::string& home() const { return home_; }
  std::string folder(const std::string& name) const { return folder_.path(name); }
  std::string staged(const std::string& file = {}) const {
    return home_ + "/vms/.new-" + spec.entry.name + "/" + file;
  }
  std::string path(const std::string& file = {}) const {
    return home_ + "/vms/" + spec.entry.name + "/" + file;
  }
  UniqueFd directory() const { return open_directory(path()); }
  MonitorClient client() const { return MonitorClient::connect(directory().get(), soon()); }
  ExitRecord stop(std::chrono::milliseconds timeout, bool force) const {
    return MonitorClient::stop(directory().get(), timeout, force, soon());
  }
  ExitRecord wait() const { return MonitorClient::wait(directory().get(), soon()); }
  std::vector<std::string> entries() const { return list_directory(open_directory(home_ + "/vms").get()); }
  void write(const std::string& file, const std::string& content) const {
    write_file_atomically(AT_FDCWD, staged(file), content, Durability::kNoSync);
  }

  LaunchSpec spec;

 private:
  TestFolder folder_;
  std::string home_;
};

// Has the process ended (or is it only waiting to be reaped by whoever adopted it)?
inline bool is_gone(pid_t pid) {
  std::string stat;
  try {
    stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  } catch (const Error&) {
    return true;
  }
  const size_t end = stat.rfind(')');
  return stat.substr(end + 2, 1) == "Z";
}

// Polls a condition that no descriptor reports.
template <typename Condition>
bool becomes_true(Condition&& condition, std::chrono::milliseconds within) {
  const Deadline deadline = Deadline::after(within);
  while (!condition()) {
    if (deadline.expired()) return false;
    pause_for(std::chrono::milliseconds(1), deadline);
  }
  return true;
}

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_TEST_VM_H_
