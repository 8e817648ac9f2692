// The verbs that end, pause or remove what is there.
#ifndef KNALLER_VM_LIFE_STOP_H_
#define KNALLER_VM_LIFE_STOP_H_

#include <string>

#include "vm/home/context.h"

namespace knaller::vm {

// Returns when the VM has ended. One that has ended already is no error.
void stop_vm(const Context& context, const std::string& name, const StopOptions& options);
void remove_vm(const Context& context, const std::string& name, const RemoveOptions& options);
void pause_vm(const Context& context, const std::string& name, std::stop_token stop);
void resume_vm(const Context& context, const std::string& name, std::stop_token stop);
// Reports why a guest's clock could not be set after a pause, unless `failure` is empty.
void note_clock(const Context& context, const std::string& name, const std::string& failure);
// Blocks until the VM has ended.
VmInfo wait_vm(const Context& context, const std::string& name, std::stop_token stop);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_STOP_H_
