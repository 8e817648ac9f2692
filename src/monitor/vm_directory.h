// The directory of the VM that a monitor owns: its descriptors, its alive lock, and the monitor's side of the
// transaction by which it gets its name (store/transaction.h).
#ifndef KNALLER_MONITOR_VM_DIRECTORY_H_
#define KNALLER_MONITOR_VM_DIRECTORY_H_

#include <string>

#include "base/fd.h"
#include "monitor/spec.h"
#include "store/transaction.h"

namespace knaller::monitor {

class VmDirectory {
 public:
  // Opens it and makes it the working directory (engines are cloned there). kBusy when another monitor has
  // it.
  explicit VmDirectory(const LaunchSpec& spec);

  int fd() const { return entry_.fd(); }
  int jail() const { return jail_.get(); }

  // Gives it its final name, durably. kAlreadyExists when that is taken; one that it replaces swaps names
  // with it. kWrongState when something else has its present name. When it throws, the names are as they
  // were.
  void publish() { entry_.publish(Durability::kFsync); }
  // Removes what an engine left, whatever it made of that: frees the name at once, and leaves what takes
  // longer than 200 ms to remove for the next sweep.
  void clear_in_jail(const std::string& name) const;
  // Of a start that is given up. False: the VM was there before it, and stays.
  bool undo();
  // Removes it, whatever its name is now; something else that has its name meanwhile is left alone.
  void remove();
  // From now on the directory is free for another monitor.
  void release_alive() { alive_.reset(); }

 private:
  std::string gone_name() const;

  store::EntryDirectory entry_;
  UniqueFd jail_;
  UniqueFd alive_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_VM_DIRECTORY_H_
