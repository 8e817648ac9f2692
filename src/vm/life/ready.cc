#include "vm/life/ready.h"

#include "base/error.h"
#include "monitor/renewal.h"
#include "ssh/probe.h"
#include "store/layout.h"
#include "vm/home/layout.h"
#include "vm/life/ports.h"

namespace knaller::vm {
namespace {

using monitor::LaunchEvent;

const char* const kLoopback = "127.0.0.1";

// Follows what the monitor tells during a start: passes the console on, and notices the end.
class Watch {
 public:
  Watch(const Context& context, monitor::Launch& launch) : context_(context), launch_(launch) {}

  bool ready_line() const { return ready_line_; }

  // Takes what there is, waiting until `deadline` for the first of it. False when there was nothing.
  bool take(const Deadline& deadline) {
    const auto event = launch_.next_event(deadline);
    if (event) handle(*event);
    return event.has_value();
  }
  // What there is now; of an engine that never stops writing, some of it.
  void take_all() {
    constexpr int kMost = 64;
    for (int taken = 0; taken < kMost && take(Deadline::after(std::chrono::milliseconds(0))); ++taken) {
    }
  }

  std::string console_tail() const {
    constexpr size_t kMost = 1500;
    std::string_view tail = console_;
    if (tail.size() > kMost) tail.remove_prefix(tail.size() - kMost);
    return std::string(tail);
  }

 private:
  void handle(const LaunchEvent& event) {
    switch (event.kind) {
      case LaunchEvent::Kind::kConsole:
        remember(event.text);
        context_.tell({.kind = EventKind::kConsole, .text = event.text});
        return;
      case LaunchEvent::Kind::kReady:
        ready_line_ = true;
        return;
      case LaunchEvent::Kind::kReboot:
        ready_line_ = false;
        context_.note("the guest rebooted while it was starting");
        return;
      case LaunchEvent::Kind::kNote:
        context_.note(event.text);
        return;
      case LaunchEvent::Kind::kEnded:
        throw Error(Code::kEngineDied, fmt::format("the VM ended before it was ready: {}", event.exit.reason),
                    event.text);
    }
  }

  void remember(const std::string& text) {
    constexpr size_t kMost = 8192;
    console_ += text;
    if (console_.size() > 2 * kMost) console_.erase(0, console_.size() - kMost);
  }

  const Context& context_;
  monitor::Launch& launch_;
  std::string console_;
  bool ready_line_ = false;
};

std::string console_hint(const Watch& watch) {
  const std::string tail = watch.console_tail();
  if (tail.empty())
    return "the guest wrote nothing on its console; `knaller start --no-wait` does not wait for it";
  return "the console's last lines (all of it: --verbose; not to wait: `knaller start --no-wait`):\n" + tail;
}

// Images of ours say on the console when their SSH server listens; knocking before that only costs the guest
// time.
bool announces_itself(const store::VmRecord& record) {
  return record.guest_protocol > 0 && !record.has_parent_memory();
}

void wait_for_ready_line(Watch& watch, const Deadline& deadline) {
  while (!watch.ready_line()) {
    watch.take(deadline);
    if (watch.ready_line()) return;
    if (deadline.stopped() || deadline.expired())
      throw Error(deadline.stopped() ? Code::kCancelled : Code::kTimeout,
                  "the guest did not say 'knaller: ready' on its console in time", console_hint(watch));
  }
}

void probe_ssh(Watch& watch, uint16_t port, const Deadline& deadline) {
  try {
    ssh::probe(kLoopback, port, deadline, [&watch] { watch.take_all(); });
  } catch (Error& error) {
    if (error.code() == Code::kTimeout) error.with_hint(console_hint(watch));
    throw;
  }
}

}  // namespace

void wait_until_ready(const Context& context, monitor::Launch& launch, const store::VmRecord& record,
                      const Deadline& deadline) {
  const PhaseTimer timer(context, "ready");
  Watch watch(context, launch);
  if (announces_itself(record)) wait_for_ready_line(watch, deadline);
  // An agent is asked next: for its server's keys, or, in a clone, to renew it.
  const uint16_t port = ssh_port_of(record.bound);
  if (!record.has_agent && port != 0) probe_ssh(watch, port, deadline);
}

void pin_host_key(const Context& context, const store::VmRecord& record, int directory,
                  const std::string& path, const Deadline& deadline) {
  if (!record.has_ssh || !record.has_agent || stat_if_exists(directory, layout::kKnownHosts)) return;
  const PhaseTimer timer(context, "pin host key");
  const std::string known = monitor::host_keys_of_guest(record, path, deadline);
  if (!known.empty()) write_file_atomically(directory, layout::kKnownHosts, known, Durability::kNoSync);
}

void renew_clone(const Context& context, store::VmRecord& record, const std::string& path,
                 const Deadline& deadline) {
  const PhaseTimer timer(context, "renew");
  entry::Renewal renewal{.reason = monitor::why_no_renewal(record), .failed = {}};
  if (renewal.reason.empty())
    renewal = monitor::renew_guest(record, path, {.entropy = "", .hostname = record.name}, deadline);
  record.renewed = renewal.ok;
  record.renew_reason = renewal.reason;
  if (!record.renewed)
    context.note(fmt::format("'{}' keeps the snapshot's {}: {}", record.name,
                             entry::kept_parts(renewal.failed), record.renew_reason));
}

}  // namespace knaller::vm
