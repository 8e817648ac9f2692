// The directory of the VM that a monitor owns: its descriptors, its alive lock, its way to its final name and
// its removal.
#ifndef KNALLER_MONITOR_VM_DIRECTORY_H_
#define KNALLER_MONITOR_VM_DIRECTORY_H_

#include <string>

#include "base/fd.h"
#include "monitor/spec.h"

namespace knaller::monitor {

class VmDirectory {
 public:
  // Opens it and makes it the working directory (engines are cloned there). kBusy when another monitor has
  // it.
  explicit VmDirectory(const LaunchSpec& spec);

  int fd() const { return vm_.get(); }
  int jail() const { return jail_.get(); }

  // Gives it its final name, durably. kAlreadyExists when that is taken; with LaunchSpec::replaces they
  // change places. kWrongState when something else has its present name. When it throws, the names are as
  // they were.
  void publish();
  // What is left of an engine, whatever it made of it: at once, and what takes longer is for the next sweep.
  void clear_in_jail(const std::string& name) const;
  // Removes it, whatever its name is now; something else that has its name meanwhile is left alone.
  void remove();
  // From now on the directory is free for another monitor.
  void release_alive() { alive_.reset(); }

 private:
  void take_name(const std::string& name);
  int rename_or_exchange(const std::string& from, const std::string& to) const;
  void require_named(const std::string& name) const;
  [[noreturn]] void fail_lost() const;

  UniqueFd parent_;
  UniqueFd vm_;
  UniqueFd jail_;
  UniqueFd alive_;
  std::string current_;  // its name in parent_
  std::string final_;
  bool replaces_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_VM_DIRECTORY_H_
