#include "monitor/guest_session.h"

#include "base/error.h"
#include "base/file.h"
#include "entry/run.h"
#include "guest/known_hosts.h"
#include "guest/renew.h"
#include "monitor/agent_link.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

constexpr char kHostAlias[] = "knaller";

}  // namespace

guest::Address guest_address(const store::VmRecord& record, const std::string& path) {
  return {.host = "127.0.0.1",
          .port = record.ssh_port,
          .user = "root",
          .key_file = path + "/" + layout::kSshKey,
          .known_hosts_file = path + "/" + layout::kKnownHosts,
          .host_alias = kHostAlias};
}

// A server may turn a connection away while it still gets rid of a probe's (dropbear allows an address five
// that have not logged in).
guest::Session open_guest_session(const store::VmRecord& record, const std::string& path,
                                  const Deadline& deadline) {
  constexpr std::chrono::milliseconds kBetween{50};
  while (true) {
    try {
      return guest::Session::connect(guest_address(record, path), deadline);
    } catch (const Error& error) {
      if (error.code() != Code::kIo || deadline.expired()) throw;
    }
    pause_for(kBetween, deadline);
  }
}

std::string why_clock_stays(const store::VmRecord& record) {
  if (record.guest_protocol == 0) return "the guest has no knaller helper";
  return record.ssh_port == 0 && !record.has_agent ? "there is no network to reach the guest by" : "";
}

guest::Renewal renew_guest(const store::VmRecord& record, const std::string& path,
                           const guest::RenewRequest& request, const Deadline& deadline) {
  if (!record.has_agent) {
    guest::Session session = open_guest_session(record, path, deadline);
    return guest::renew(guest::run_by_ssh(session, deadline), request);
  }
  entry::Link link = connect_agent(open_directory(path).get(), record, deadline);
  // Not by the guest's copy of the helper, which a guest of somebody's own need not have.
  const auto by_agent = [&](const std::vector<std::string>&, std::string_view input) {
    entry::RunOutput output = entry::run(link, entry::Whose::kAgents, {"renew"}, input, deadline);
    return guest::CommandOutput{
        .result = output.result, .out = std::move(output.out), .err = std::move(output.err)};
  };
  return guest::renew(by_agent, request);
}

std::string host_keys_of_guest(const store::VmRecord& record, const std::string& path,
                               const Deadline& deadline) {
  entry::Link link = connect_agent(open_directory(path).get(), record, deadline);
  const entry::RunOutput output = entry::run(link, entry::Whose::kAgents, {"host-keys"}, {}, deadline);
  return guest::known_hosts_of(kHostAlias, output.out);
}

std::string set_guest_clock(const store::VmRecord& record, const std::string& path,
                            const Deadline& deadline) {
  if (std::string why = why_clock_stays(record); !why.empty()) return why;
  try {
    return renew_guest(record, path, {}, deadline).reason;
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace knaller::monitor
