#include "monitor/agent_link.h"

#include "base/error.h"
#include "base/socket.h"
#include "base/text.h"
#include "channel/link_plan.h"
#include "monitor/client.h"

namespace knaller::monitor {
namespace {

// A packet is lost that comes before the guest, or the host's end of the link, is up, and TCP would send it
// again only after a second. A guest that is up answers within a few milliseconds, unless it has much to do.
constexpr std::chrono::milliseconds kFirstAttempt{10};
constexpr std::chrono::milliseconds kLongestAttempt{200};
constexpr std::chrono::milliseconds kPause{5};

// What an agent in a memory that was loaded has not heard yet: a clone has another uuid, and a VM that was
// rolled back was started since.
std::string name_of_run(const store::VmRecord& record) {
  return fmt::format("{} {}", record.uuid, format_time(record.started_at));
}

// A monitor takes only so many connections; each of these is over in a millisecond.
entry::WayIn take_way(int vm_directory, const Deadline& deadline) {
  while (true) {
    try {
      return MonitorClient::connect(vm_directory, deadline).enter(deadline);
    } catch (const Error& error) {
      if (error.code() != Code::kExhausted || deadline.expired()) throw;
    }
    pause_for(kPause, deadline);
  }
}

}  // namespace

entry::Link connect_agent(int vm_directory, const store::VmRecord& record, const Deadline& deadline) {
  for (auto attempt = kFirstAttempt;; attempt = std::min(2 * attempt, kLongestAttempt)) {
    entry::WayIn way = take_way(vm_directory, deadline);
    try {
      connect_tcp_socket(way.socket.get(), channel::kGuestAddress, channel::kPort, deadline.sooner(attempt));
      return {std::move(way), name_of_run(record)};
    } catch (const Error& error) {
      if (error.code() != Code::kTimeout && error.code() != Code::kIo) throw;
    }
    deadline.check("the agent in the guest");
    pause_for(kPause, deadline);
  }
}

}  // namespace knaller::monitor
