// Going into a VM: commands, files, and what an ssh client needs.
#ifndef KNALLER_VM_LIFE_ENTER_H_
#define KNALLER_VM_LIFE_ENTER_H_

#include <string>

#include "vm/home/context.h"

namespace knaller::vm {

ExecResult exec_in_vm(const Context& context, const std::string& name, const ExecOptions& options);
void copy_files(const Context& context, const CopyOptions& options);
// kWrongState when the VM does not run, kUnsupported when it has no network or no key of ours.
SshTarget ssh_target(const Context& context, const std::string& name);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_ENTER_H_
