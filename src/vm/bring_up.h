// From a prepared VM directory to a VM that runs, is ready and needs nobody: the part that a first start, a
// later start and a restore share.
#ifndef KNALLER_VM_BRING_UP_H_
#define KNALLER_VM_BRING_UP_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "firecracker/request.h"
#include "monitor/launch.h"
#include "store/vm_record.h"
#include "vm/context.h"

namespace knaller::vm {

struct BringUp {
  int directory = -1;                      // the VM's; prepared: vm.json, alive, parts/, jail/ filled
  std::string entry;                       // its present name below vms/: ".new-web" or "web"
  std::vector<std::string> engine_files;   // EngineFacts::files of its engine
  bool keep_ports = false;                 // leased host ports are to be the ones of the last start
  bool is_new = false;                     // an undone start removes it
  bool replaces = false;                   // on commit it changes places with the VM's directory
  std::vector<firecracker::Request> load;  // not empty: instead of a cold boot
  std::string why_not_renewed = "it was started with --no-wait";  // if a clone is not waited for
  std::vector<std::pair<std::string, std::string>> binds;         // for states with absolute paths
  // Started ahead, beside what has to be prepared; without one bring_up() starts its own. The first use takes
  // it.
  std::optional<monitor::Launch> launch = {};
  // Called once the VM is committed: from there on nothing is undone.
  std::function<void()> on_committed;
};

// Starts the monitor of a VM that is still to be prepared.
monitor::Launch start_monitor(const Context& context, const std::string& name);

// Starts the VM, waits until it is ready, writes what was learnt (ports, host key, renewal) into its record
// and commits. Whatever fails before the commit is undone by the time the error arrives.
Tie bring_up(const Context& context, BringUp& start, store::VmRecord& record, const StartOptions& options);

}  // namespace knaller::vm

#endif  // KNALLER_VM_BRING_UP_H_
