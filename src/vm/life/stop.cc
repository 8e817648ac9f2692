#include "vm/life/stop.h"

#include "base/error.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "monitor/force.h"
#include "monitor/renewal.h"
#include "store/names.h"
#include "store/transaction.h"
#include "vm/home/locks.h"
#include "vm/life/list.h"
#include "vm/life/ready.h"

namespace knaller::vm {
namespace {

using store::Kind;

// Above the guest's own time: the kill, the end of the pid namespace and the exit record. They take
// milliseconds.
constexpr std::chrono::seconds kEndingTime{20};
// A monitor answers within milliseconds, and ends an engine as fast; an engine of its own that hangs it
// reports after one second.
constexpr std::chrono::seconds kMonitorPatience{3};
constexpr std::chrono::seconds kApiTime{30};
constexpr std::chrono::seconds kClockTime{5};
// What a clock may be behind without a word, where it can't be set.
constexpr std::chrono::seconds kPauseOfNote{1};

[[noreturn]] void fail_without_answer(const std::string& name) {
  throw Error(Code::kTimeout, fmt::format("the monitor of VM '{}' does not answer", name),
              fmt::format("end the VM by force: knaller stop --force {}", name));
}

// First of all, so that nobody waits for a guest's time to shut down in vain.
void require_answer(int directory, const Deadline& patience) {
  try {
    monitor::MonitorClient::connect(directory, patience).status(patience);
  } catch (const Error& error) {
    if (error.code() == Code::kTimeout) throw;  // else it is ending just now
  }
}

void end_gently(const std::string& name, int directory, const StopOptions& options) {
  try {
    require_answer(directory, Deadline::after(kMonitorPatience, options.stop));
    monitor::MonitorClient::stop(directory, options.timeout, false,
                                 Deadline::after(options.timeout, options.stop).later(kEndingTime));
  } catch (const Error& error) {
    if (error.code() != Code::kTimeout) throw;
    fail_without_answer(name);
  }
}

// How a VM ended that was ended without its monitor must not keep it from being ended.
void record_force(const Context& context, int directory) {
  try {
    monitor::record_force(directory);
  } catch (const Error& error) {
    context.note(fmt::format("how the VM ended could not be recorded: {}", error.what()));
  }
}

void end_by_force(const Context& context, int directory, const std::stop_token& stop) {
  try {
    monitor::MonitorClient::stop(directory, {}, true, Deadline::after(kMonitorPatience, stop));
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled || error.code() == Code::kBusy) throw;
    if (!monitor::is_alive(directory)) return;
    record_force(context, directory);
    monitor::end_by_force(directory, Deadline::after(kEndingTime, stop));
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

[[noreturn]] void refuse_to_remove(const Context& context, const std::string& name, int directory) {
  const VmInfo vm = describe_vm(context, name, directory);
  if (vm.state == VmState::kStuck)
    throw Error(Code::kWrongState, fmt::format("VM '{}' is stuck: {}", name, vm.reason),
                fmt::format("end it by force and remove it: knaller rm -f {}", name));
  throw Error(
      Code::kWrongState, fmt::format("VM '{}' is running", name),
      fmt::format("stop it first (knaller stop {0}), or end it and remove it: knaller rm -f {0}", name));
}

}  // namespace

void stop_vm(const Context& context, const std::string& name, const StopOptions& options) {
  const UniqueFd directory = open_vm(context, name);
  if (!monitor::is_alive(directory.get())) return;
  // No lock: a stop must get through to a VM that a long snapshot works on; the monitor serialises.
  if (options.force) return end_by_force(context, directory.get(), options.stop);
  end_gently(name, directory.get(), options);
}

namespace {

// Before the VM's lock is waited for: whoever has it may keep it long, and the VM is to end for certain.
void end_without_lock(const Context& context, const std::string& name, const RemoveOptions& options) {
  try {
    const UniqueFd directory = open_vm(context, name);
    if (monitor::is_alive(directory.get())) end_by_force(context, directory.get(), options.stop);
  } catch (const Error& error) {
    // It is just being started, or was removed.
    if (error.code() != Code::kBusy && error.code() != Code::kNotFound) throw;
  }
}

}  // namespace

void remove_vm(const Context& context, const std::string& name, const RemoveOptions& options) {
  store::Name::parse(name);
  if (options.force && is_absent(context, name)) return;
  open_vm(context, name);
  if (options.force) end_without_lock(context, name, options);
  const store::EntryLock lock = lock_entry(context, Kind::kVm, name, "rm", options.stop);
  if (is_absent(context, name)) {
    if (options.force) return;
    fail(Code::kNotFound, "VM '{}' was removed meanwhile", name);
  }
  const UniqueFd directory = open_vm(context, name);
  if (monitor::is_alive(directory.get())) {
    if (!options.force) refuse_to_remove(context, name, directory.get());
    end_by_force(context, directory.get(), options.stop);
  }
  store::Transaction::remove(lock);  // unless it was tied, and its monitor has removed it
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
  const bool was_paused = lease.was_paused();
  lease.resume(deadline);
  lease.release(deadline);
  if (!was_paused) return;
  const store::VmRecord record = store::read_vm_record(directory.get(), name);
  if (!monitor::why_no_renewal(record).empty() && lease.was_paused_for() <= kPauseOfNote) return;
  note_clock(context, name,
             monitor::set_guest_clock(record, context.home.path_of(Kind::kVm, name),
                                      Deadline::after(kClockTime, deadline.stop())));
}

void note_clock(const Context& context, const std::string& name, const std::string& failure) {
  if (failure.empty()) return;
  context.note(fmt::format("'{}' runs, but its clock is behind by the pause: {}", name, failure));
}

VmInfo wait_vm(const Context& context, const std::string& name, std::stop_token stop) {
  const UniqueFd directory = open_vm(context, name);
  if (monitor::is_alive(directory.get()))
    monitor::MonitorClient::wait(directory.get(), Deadline::never(std::move(stop)));
  return describe_vm(context, name, directory.get());
}

}  // namespace knaller::vm
