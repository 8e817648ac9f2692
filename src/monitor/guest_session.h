// Logs in to a VM's guest with its own key, by what its directory and record say.
#ifndef KNALLER_MONITOR_GUEST_SESSION_H_
#define KNALLER_MONITOR_GUEST_SESSION_H_

#include <string>

#include "base/deadline.h"
#include "guest/renew.h"
#include "guest/session.h"
#include "store/vm_record.h"

namespace knaller::monitor {

// `path`: the VM's directory.
guest::Address guest_address(const store::VmRecord& record, const std::string& path);
// A connection that breaks is tried again until the deadline.
guest::Session open_guest_session(const store::VmRecord& record, const std::string& path,
                                  const Deadline& deadline);

// By the guest's agent or, where there is none, by SSH. Throws what keeps it from being tried.
guest::Renewal renew_guest(const store::VmRecord& record, const std::string& path,
                           const guest::RenewRequest& request, const Deadline& deadline);
// What its agent says its SSH server's public keys are: lines of known_hosts, perhaps none. kCorrupt for what
// can't stand in one.
std::string host_keys_of_guest(const store::VmRecord& record, const std::string& path,
                               const Deadline& deadline);
// After a pause, for which the guest's clock stood still: the host's time, by the helper of our images.
// Returns why it could not be set; empty when it was.
std::string set_guest_clock(const store::VmRecord& record, const std::string& path, const Deadline& deadline);
// Why it can never be; empty when there are a helper and a network to reach it by.
std::string why_clock_stays(const store::VmRecord& record);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_GUEST_SESSION_H_
