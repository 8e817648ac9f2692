// From a prepared VM directory to a VM that runs, is ready and needs nobody: the part that a first start, a
// later start and a restore share.
#ifndef KNALLER_VM_LIFE_BRING_UP_H_
#define KNALLER_VM_LIFE_BRING_UP_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "firecracker/request.h"
#include "monitor/launch.h"
#include "store/transaction.h"
#include "store/vm_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

// What is to be started. Without a commit it is removed with this object, unless its entry is one to keep.
struct PreparedVm {
  // Of its directory: vm.json, alive, parts/, jail/ are filled.
  std::unique_ptr<store::Transaction> transaction;
  store::VmRecord record;
  std::vector<std::string> engine_files;                        // EngineFacts::files of its engine
  std::vector<firecracker::Request> load = {};                  // not empty: instead of a cold boot
  std::vector<std::pair<std::string, std::string>> binds = {};  // for states with absolute paths

  int directory() const { return transaction->directory(); }
};

// How it is started.
struct BringUpPlan {
  StartOptions options = {};
  bool keep_ports = false;  // leased host ports are to be the same as at the last start
  std::string why_not_renewed = "it was started with --no-wait";  // if a clone is not waited for
};

struct BroughtUp {
  store::VmRecord record;  // with what was learnt: ports, renewal
  Tie tie;
};

// Starts the monitor of a VM that is still to be prepared.
monitor::Launch start_monitor(const Context& context, const std::string& name);

// Starts the VM with that monitor, waits until it is ready, writes what was learnt (ports, host key, renewal)
// into its record and commits. Whatever fails before the commit is undone by the time the error arrives.
BroughtUp bring_up(const Context& context, const PreparedVm& vm, const BringUpPlan& plan,
                   monitor::Launch launch);

// Once that is done. A VM that is tied ends with the error.
VmInfo inspect_brought_up(const Context& context, const std::string& name, bool tied);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_BRING_UP_H_
