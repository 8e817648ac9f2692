#include "monitor/renewal.h"

#include "base/error.h"
#include "base/file.h"
#include "entry/run.h"
#include "monitor/agent_link.h"
#include "ssh/known_hosts.h"

namespace knaller::monitor {

std::string why_no_renewal(const store::VmRecord& record) {
  return record.has_agent ? "" : "the guest has no agent of knaller's";
}

entry::Renewal renew_guest(const store::VmRecord& record, const std::string& path,
                           const entry::RenewRequest& request, const Deadline& deadline) {
  entry::Link link = connect_agent(open_directory(path).get(), record, deadline);
  return entry::renew(link, request, deadline);
}

std::string host_keys_of_guest(const store::VmRecord& record, const std::string& path,
                               const Deadline& deadline) {
  entry::Link link = connect_agent(open_directory(path).get(), record, deadline);
  const entry::RunOutput output = entry::run(link, entry::Whose::kAgents, {"host-keys"}, {}, deadline);
  return ssh::known_hosts_of(kHostAlias, output.out);
}

std::string set_guest_clock(const store::VmRecord& record, const std::string& path,
                            const Deadline& deadline) {
  if (std::string why = why_no_renewal(record); !why.empty()) return why;
  try {
    return renew_guest(record, path, {}, deadline).reason;
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace knaller::monitor
