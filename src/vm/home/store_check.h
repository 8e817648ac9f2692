// `store check`: looks at everything in the home, and repairs what can be repaired without harm to anything
// that is intact. What belongs to the Go program is skipped; so is what somebody is working on.
#ifndef KNALLER_VM_HOME_STORE_CHECK_H_
#define KNALLER_VM_HOME_STORE_CHECK_H_

#include "vm/home/context.h"
#include "vm/home/store_findings.h"

namespace knaller::vm {

StoreReport check_store(const Context& context, const StoreCheckOptions& options);

// One VM (store_check_vm.cc).
void check_vm(const Context& context, const std::string& name, StoreFindings& findings);

// Runs `body` under the entry's lock, and leaves no lock file that was not there. False when somebody has it.
bool with_lock(const Context& context, store::Kind kind, const std::string& name,
               const std::function<bool()>& body);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_STORE_CHECK_H_
