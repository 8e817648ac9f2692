// Going into a VM: commands, files, and what an ssh client needs.
#ifndef KNALLER_VM_LIFE_ENTER_H_
#define KNALLER_VM_LIFE_ENTER_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "entry/link.h"
#include "vm/home/context.h"

namespace knaller::vm {

ExecResult exec_in_vm(const Context& context, const std::string& name, const ExecOptions& options);
std::string detach_in_vm(const Context& context, const std::string& name, const ExecOptions& options);
std::vector<SessionInfo> sessions_of_vm(const Context& context, const std::string& name,
                                        std::stop_token stop);
ExecResult attach_to_session(const Context& context, const std::string& name, const std::string& session,
                             const ExecOptions& options);
void signal_in_vm(const Context& context, const std::string& name, const std::string& session, int signal,
                  std::stop_token stop);
void copy_files(const Context& context, const CopyOptions& options);
void connect_to_vm(const Context& context, const ConnectOptions& options);
// kWrongState when the VM does not run, kUnsupported when its guest has no agent.
void require_agent(const Context& context, const std::string& name);
// A connection to a TCP port of the guest's.
entry::RawLink open_port(const Context& context, const std::string& name, uint16_t port,
                         const Deadline& deadline);
// kWrongState when the VM does not run, kUnsupported when it has no network or no key of ours.
SshTarget ssh_target(const Context& context, const std::string& name);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_ENTER_H_
