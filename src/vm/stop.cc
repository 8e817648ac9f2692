#include "vm/stop.h"

#include "base/error.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "store/names.h"
#include "vm/list.h"

namespace knaller::vm {
namespace {

using store::Kind;

// Above the guest's own time: the kill, the end of the pid namespace and the exit record. They take
// milliseconds.
constexpr std::chrono::seconds kEndingTime{20};
constexpr std::chrono::seconds kApiTime{30};

LockFile lock_vm(const Context& context, const std::string& name, const std::string& verb,
                 std::stop_token stop) {
  return context.home.lock(Kind::kVm, name, verb, Deadline::after(kLockPatience, std::move(stop)),
                           waiting_note(context, fmt::format("VM '{}'", name)));
}

// A monitor that ended between our look and our call has done what we wanted. kIo: it left our words unread,
// so its end reset the connection.
bool ended_meanwhile(const Error& error, int directory) {
  const bool gone =
      error.code() == Code::kEngineDied || error.code() == Code::kNotFound || error.code() == Code::kIo;
  return gone && monitor::wait_until_dead(directory, Deadline::after(std::chrono::seconds(2)));
}

void end_vm(int directory, const StopOptions& options) {
  const Deadline deadline = Deadline::after(options.timeout + kEndingTime, options.stop);
  try {
    monitor::MonitorClient::connect(directory, deadline).stop(options.timeout, options.force, deadline);
  } catch (const Error& error) {
    if (!ended_meanwhile(error, directory)) throw;
  }
}

monitor::Lease take_lease(const Context& context, const std::string& name, int directory,
                          const std::string& verb, const Deadline& deadline) {
  return monitor::MonitorClient::connect(directory, deadline)
      .lease(verb, deadline, waiting_note(context, fmt::format("VM '{}'", name)));
}

void require_alive(int directory, const std::string& name) {
  if (monitor::is_alive(directory)) return;
  throw Error(Code::kWrongState, fmt::format("VM '{}' is not running", name),
              fmt::format("start it: knaller start {}", name));
}

bool is_absent(const Context& context, const std::string& name) {
  return !context.home.has(Kind::kVm, name);
}

}  // namespace

std::function<void(const std::string&)> waiting_note(const Context& context, const std::string& what) {
  return [&context, what](const std::string& holder) {
    context.note(fmt::format("waiting for {}, which is in use by {}", what, holder));
  };
}

void stop_vm(const Context& context, const std::string& name, const StopOptions& options) {
  const UniqueFd directory = open_vm(context, name);
  if (!monitor::is_alive(directory.get())) return;
  // No lock: a stop must get through to a VM that a long snapshot works on; the monitor serialises.
  end_vm(directory.get(), options);
}

void remove_vm(const Context& context, const std::string& name, const RemoveOptions& options) {
  store::Name::parse(name);
  if (options.force && is_absent(context, name)) return;
  open_vm(context, name);
  LockFile lock = lock_vm(context, name, "rm", options.stop);
  if (is_absent(context, name)) {
    lock.unlink_while_held();
    if (options.force) return;
    fail(Code::kNotFound, "VM '{}' was removed meanwhile", name);
  }
  const UniqueFd directory = open_vm(context, name);
  if (monitor::is_alive(directory.get())) {
    if (!options.force)
      throw Error(
          Code::kWrongState, fmt::format("VM '{}' is running", name),
          fmt::format("stop it first (knaller stop {0}), or end it and remove it: knaller rm -f {0}", name));
    end_vm(directory.get(), {.force = true, .stop = options.stop});
  }
  if (is_absent(context, name)) {  // a tied VM's monitor removed it itself
    lock.unlink_while_held();
    return;
  }
  context.home.retire(Kind::kVm, name);
  lock.unlink_while_held();
}

void pause_vm(const Context& context, const std::string& name, std::stop_token stop) {
  const UniqueFd directory = open_vm(context, name);
  require_alive(directory.get(), name);
  const Deadline deadline = Deadline::after(kApiTime, std::move(stop));
  monitor::Lease lease = take_lease(context, name, directory.get(), "pause", deadline);
  if (!lease.was_paused()) lease.pause(deadline);
  lease.leave_paused(deadline);
}

void resume_vm(const Context& context, const std::string& name, std::stop_token stop) {
  const UniqueFd directory = open_vm(context, name);
  require_alive(directory.get(), name);
  const Deadline deadline = Deadline::after(kApiTime, std::move(stop));
  monitor::Lease lease = take_lease(context, name, directory.get(), "resume", deadline);
  lease.resume(deadline);
  lease.release(deadline);
}

VmInfo wait_vm(const Context& context, const std::string& name, std::stop_token stop) {
  const UniqueFd directory = open_vm(context, name);
  if (monitor::is_alive(directory.get())) {
    const Deadline deadline = Deadline::never(std::move(stop));
    try {
      monitor::MonitorClient::connect(directory.get(), deadline).wait(deadline);
    } catch (const Error& error) {
      if (!ended_meanwhile(error, directory.get())) throw;
    }
  }
  return describe_vm(context, name, directory.get());
}

}  // namespace knaller::vm
