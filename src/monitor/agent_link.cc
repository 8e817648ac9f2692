#include "monitor/agent_link.h"

#include "base/error.h"
#include "base/socket.h"
#include "base/text.h"
#include "channel/link_plan.h"
#include "monitor/client.h"

namespace knaller::monitor {
namespace {

// A packet to a guest that does not listen yet is lost, and TCP would send it again only after a second.
constexpr std::chrono::milliseconds kAttempt{200};
constexpr std::chrono::milliseconds kPause{20};

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
  while (true) {
    entry::WayIn way = take_way(vm_directory, deadline);
    try {
      connect_tcp_socket(way.socket.get(), channel::kGuestAddress, channel::kPort, deadline.sooner(kAttempt));
      return {std::move(way), name_of_run(record)};
    } catch (const Error& error) {
      if (error.code() != Code::kTimeout && error.code() != Code::kIo) throw;
    }
    deadline.check("the agent in the guest");
    pause_for(kPause, deadline);
  }
}

}  // namespace knaller::monitor
