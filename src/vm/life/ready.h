// Waiting for a guest to be ready, and making a clone itself again.
#ifndef KNALLER_VM_LIFE_READY_H_
#define KNALLER_VM_LIFE_READY_H_

#include "base/deadline.h"
#include "monitor/launch.h"
#include "store/vm_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

// Returns when a guest of ours says on its console that it is ready (a restored one does not: at once) and,
// where there is no agent, when its SSH server has answered through the port that leads to it, if one does.
// Throws kTimeout with what was seen instead, or kEngineDied with how the guest ended. Passes the console on
// to the context's sink.
void wait_until_ready(const Context& context, monitor::Launch& launch, const store::VmRecord& record,
                      const Deadline& deadline);

// Unless it is already, and where there is an agent to ask: the guest's host key is pinned in known_hosts of
// the VM's directory.
void pin_host_key(const Context& context, const store::VmRecord& record, int directory,
                  const std::string& path, const Deadline& deadline);

// A clone's randomness, wall clock and hostname. What could not be done is stored in the record, and
// reported.
void renew_clone(const Context& context, store::VmRecord& record, const std::string& path,
                 const Deadline& deadline);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_READY_H_
