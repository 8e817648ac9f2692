#include "monitor/guest_session.h"

#include "base/error.h"
#include "guest/renew.h"
#include "store/layout.h"

namespace knaller::monitor {

guest::Address guest_address(const store::VmRecord& record, const std::string& path) {
  return {.host = "127.0.0.1",
          .port = record.ssh_port,
          .user = "root",
          .key_file = path + "/" + layout::kSshKey,
          .known_hosts_file = path + "/" + layout::kKnownHosts,
          .host_alias = "knaller"};
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
  return record.ssh_port == 0 ? "there is no network to reach the guest by" : "";
}

std::string set_guest_clock(const store::VmRecord& record, const std::string& path,
                            const Deadline& deadline) {
  if (std::string why = why_clock_stays(record); !why.empty()) return why;
  try {
    guest::Session session = open_guest_session(record, path, deadline);
    return guest::renew(session, {}, deadline).reason;
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace knaller::monitor
