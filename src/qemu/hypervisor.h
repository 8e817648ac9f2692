// Firecracker's VM operations on QEMU's microvm machine. One VM in its life.
//
// Single-threaded, like the API above it. Refusals are Errors in Firecracker's words where it has words for
// them.
#ifndef KNALLER_QEMU_HYPERVISOR_H_
#define KNALLER_QEMU_HYPERVISOR_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/tsc.h"
#include "firecracker/engine_api.h"
#include "qemu/command_line.h"
#include "qemu/host.h"
#include "qemu/network_relay.h"
#include "qemu/qemu_process.h"
#include "qemu/state_file.h"

namespace knaller::qemu {

class QemuHypervisor : public firecracker::Hypervisor {
 public:
  struct Options {
    std::string binary;
    std::optional<Accelerator> accelerator;  // absent: KVM where it is usable
    std::vector<int> inherited;              // QEMU gets them too
  };
  explicit QemuHypervisor(Options options);
  ~QemuHypervisor() override;

  void check(const firecracker::VmSetup& setup) override;
  void start(const firecracker::VmSetup& setup) override;
  void pause() override;
  void resume() override;
  void send_ctrl_alt_del() override;
  void save(const firecracker::VmSetup& setup, const firecracker::SnapshotCreate& request) override;
  firecracker::VmSetup load(const firecracker::LoadRequest& request) override;
  void change_drive(const firecracker::DriveSetup& drive, bool new_path) override;
  void change_network(const firecracker::NetworkSetup& network) override;

  // For lines that belong in the engine's log. Without it they are lost.
  void set_log(std::function<void(const std::string& line)> log) { log_ = std::move(log); }

  // Readable when on_ready() has something to do.
  int event_fd() const { return events_.get(); }
  // False: the VM has ended; exit_code() is what to exit with.
  bool on_ready();
  int exit_code() const { return exit_code_; }
  pid_t qemu_pid() const { return process_ ? process_->pid() : -1; }

 private:
  void launch(MachinePlan plan, UniqueFd memory);
  std::vector<UniqueFd> connect_network(const firecracker::VmSetup& setup);
  void set_limits();
  void watch();
  void note_end();
  nlohmann::json command(const std::string& name, const nlohmann::json& arguments, int passed_fd = -1);
  void command(const std::string& name);

  void check_host(const State& state);
  void take_in(const State& state);
  std::string save_devices();
  std::string migrate_devices();
  std::string save_devices_alone();
  void refuse_own_memory(const std::string& path);
  void write_memory(int to, firecracker::SnapshotType type);

  Options options_;
  std::function<void(const std::string&)> log_ = [](const std::string&) {};
  TscMeter tsc_;
  UniqueFd events_;  // epoll
  std::optional<QemuProcess> process_;
  std::map<std::string, NetworkRelay> relays_;  // by the interface's id: those with rate limiters
  std::optional<MachinePlan> plan_;
  UniqueFd memory_;           // a memfd after a boot, the parent's memory file after a load
  uint64_t tsc_khz_ = 0;      // that the guest counts with
  std::string devices_;       // the last whole device stream of this VM: the base of the next
  bool images_idle_ = false;  // QEMU closed them for writing, until the VM goes on
  std::vector<unsigned> file_generation_;
  std::vector<bool> resize_on_resume_;
  int exit_code_ = 0;
};

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_HYPERVISOR_H_
