// The fake engine's VM: memory that is really mapped, files that are really written, a console on standard
// output, and a guest that only counts. Single-threaded; its timers are descriptors for the server's loop.
//
// The memory of a fresh boot is one anonymous mapping with Firecracker's marks ("RSD PTR " at 0xE0000), after
// a load a private mapping of the memory file: programs that read an engine's memory from outside can be
// tested on it.
#ifndef KNALLER_TESTS_FAKES_FAKE_MACHINE_H_
#define KNALLER_TESTS_FAKES_FAKE_MACHINE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "fake_script.h"
#include "firecracker/engine_api.h"
#include "firecracker/server.h"

namespace knaller::fake {

// In guest memory, at 1 MiB; the counter as 8 bytes behind the text, and at the same place of the first
// writable drive.
constexpr uint64_t kMarkAddress = 1 << 20;
constexpr std::string_view kMark = "knaller fake guest\n";
// Bytes that are not zero, as a guest's kernel would be.
constexpr uint64_t kKernelAddress = 4 << 20;
constexpr uint64_t kKernelBytes = 3 << 20;
constexpr uint64_t kCounterAddress = kMarkAddress + 64;
constexpr uint64_t kCounterOnDisk = 4096;
constexpr uint64_t kLateWriteOnDisk = 8192;

class FakeMachine : public firecracker::Hypervisor {
 public:
  explicit FakeMachine(Guest guest);
  ~FakeMachine() override;
  FakeMachine(const FakeMachine&) = delete;
  FakeMachine& operator=(const FakeMachine&) = delete;

  void check(const firecracker::VmSetup& setup) override;
  void start(const firecracker::VmSetup& setup) override;
  void pause() override;
  void resume() override;
  void send_ctrl_alt_del() override;
  void save(const firecracker::VmSetup& setup, const firecracker::SnapshotCreate& request) override;
  firecracker::VmSetup load(const firecracker::LoadRequest& request) override;
  void change_drive(const firecracker::DriveSetup& drive, bool new_path) override;
  void change_network(const firecracker::NetworkSetup& network) override;

  // Work for the guest, whether or not that is paused.
  void take_frame();
  void write_disk();

  std::vector<firecracker::Watch> watches();

 private:
  void print(const std::string& text);
  void map(uint64_t bytes, int memory_file);
  void unmap();
  void open_devices(const firecracker::VmSetup& setup);
  void write_memory(int fd);
  bool has_kernel() const { return kKernelAddress + kKernelBytes <= bytes_; }
  void copy_range(int fd, uint64_t from, uint64_t to);
  void let_run();
  void count();
  // False: the guest has ended the engine.
  bool react();

  Guest guest_;
  char* memory_ = nullptr;
  uint64_t bytes_ = 0;
  UniqueFd memory_file_;  // the one that memory_ maps
  UniqueFd disk_;
  std::string tap_;  // its name
  bool running_ = false;
  bool announced_ = false;     // the ready text is out
  bool ctrl_alt_del_ = false;  // pressed, not yet reacted to
  UniqueFd ready_timer_;
  UniqueFd tick_timer_;
  UniqueFd keyboard_;
};

}  // namespace knaller::fake

#endif  // KNALLER_TESTS_FAKES_FAKE_MACHINE_H_
