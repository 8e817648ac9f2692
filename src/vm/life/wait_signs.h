// What wakes whoever waits for a VM, besides changes of its files: each has a descriptor to be polled,
// together with those of other VMs.
#ifndef KNALLER_VM_LIFE_WAIT_SIGNS_H_
#define KNALLER_VM_LIFE_WAIT_SIGNS_H_

#include <atomic>
#include <cstdint>
#include <thread>

#include "monitor/client.h"
#include "store/vm_record.h"

namespace knaller::vm {

// Knocks at a guest on a thread of its own, at its agent or else, by that port of this host, at its SSH
// server, until it answers, the VM ends, or the destructor ends it.
class Knock {
 public:
  // `directory`, the VM's, and the eventfd `when_over`, which is written to, must outlive this.
  Knock(const store::VmRecord& record, uint16_t ssh_port, int directory, int when_over);

  bool over() const { return over_; }
  bool answered() const { return answered_; }

 private:
  std::atomic<bool> answered_{false};
  std::atomic<bool> over_{false};
  std::jthread thread_;  // the last member: the first to go
};

// The end of a monitor, seen by the end of a connection to it. It is asked something, since it hangs up on a
// client that asks nothing.
class MonitorEnd {
 public:
  explicit MonitorEnd(int vm_directory);

  int fd() const { return client_.socket(); }
  // Reads what there is, without waiting; true once it has ended.
  bool has_come();

 private:
  monitor::MonitorClient client_;
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_WAIT_SIGNS_H_
