// What knaller does inside a VM's guest of its own accord, by the guest's agent.
#ifndef KNALLER_MONITOR_RENEWAL_H_
#define KNALLER_MONITOR_RENEWAL_H_

#include <string>

#include "base/deadline.h"
#include "entry/renew.h"
#include "store/vm_record.h"

namespace knaller::monitor {

// The name under which known_hosts of the VM's directory has the guest's keys.
inline constexpr char kHostAlias[] = "knaller";

// `path`: the VM's directory. Throws what keeps it from being tried; kUnsupported: there is no agent.
entry::Renewal renew_guest(const store::VmRecord& record, const std::string& path,
                           const entry::RenewRequest& request, const Deadline& deadline);
// What its agent says its SSH server's public keys are: lines of known_hosts, perhaps none. kCorrupt for what
// can't stand in one.
std::string host_keys_of_guest(const store::VmRecord& record, const std::string& path,
                               const Deadline& deadline);
// After a pause, for which the guest's clock stood still: the host's time. Returns why it could not be set;
// empty when it was.
std::string set_guest_clock(const store::VmRecord& record, const std::string& path, const Deadline& deadline);
// Why nothing can be renewed; empty when there is an agent.
std::string why_no_renewal(const store::VmRecord& record);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_RENEWAL_H_
