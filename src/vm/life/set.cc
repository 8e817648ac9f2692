#include "vm/life/set.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/file.h"
#include "base/once_done.h"
#include "disk/grow_disk.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "net/egress.h"
#include "store/layout.h"
#include "store/limits.h"
#include "store/vm_record.h"
#include "vm/home/layout.h"
#include "vm/home/locks.h"
#include "vm/life/boot.h"
#include "vm/life/limiters.h"
#include "vm/life/limits.h"
#include "vm/life/list.h"

namespace knaller::vm {
namespace {

constexpr std::chrono::seconds kMonitorTime{15};

void check_limits(const store::VmRecord& record, const LimitChanges& changes) {
  Limits limits = store::with_changes(record.limits, changes);
  store::check_limits(limits);
  store::settle_cpus(limits, record.vcpus);
  if (changes.network_bandwidth && record.network == NetworkMode::kNone)
    fail(Code::kWrongState, "it has no network to limit");
}

void check_changes(int directory, const VmChanges& changes, const store::VmRecord& record) {
  check_limits(record, changes.limits);
  if (changes.disk_mib && monitor::is_alive(directory))
    throw Error(
        Code::kWrongState, "a disk grows only while its VM is stopped",
        fmt::format("knaller stop {0} && knaller set {0} --disk {1}M", record.name, *changes.disk_mib));
  if (changes.egress == EgressChanges{}) return;
  if (record.network == NetworkMode::kNone)
    throw Error(Code::kWrongState, "it has no network, so there is nothing that it could reach",
                "start another VM, without --network none");
  net::check_egress(net::with_changes(record.egress, changes.egress));
}

void apply(const VmChanges& changes, store::VmRecord& record) {
  record.egress = net::with_changes(std::move(record.egress), changes.egress);
  record.limits = store::with_changes(record.limits, changes.limits);
  store::settle_cpus(record.limits, record.vcpus);
}

// Of the group only what is to change: a VM that has none is refused what it asked for, and nothing else.
GroupLimits group_changes(const store::VmRecord& record, const LimitChanges& changes, int directory) {
  const GroupLimits all = group_limits(record);
  GroupLimits limits;
  if (changes.milli_cpus) limits.milli_cpus = all.milli_cpus;
  if (changes.cpu_weight) limits.cpu_weight = all.cpu_weight;
  if (changes.processes) limits.processes = all.processes;
  if (changes.memory_mib || changes.any_memory) {
    limits.memory = all.memory;
    limits.swap = all.swap;
  }
  if (changes.disk_bandwidth || changes.disk_operations)
    limits.device = device_limit(record.limits, directory);
  return limits;
}

monitor::LimitsChange limits_change(int directory, const LimitChanges& changes,
                                    const store::VmRecord& record) {
  monitor::LimitsChange change{.group = group_changes(record, changes, directory),
                               .bandwidth = network_plan(record).value_or(net::Plan{}).bandwidth};
  if (changes.disk_bandwidth || changes.disk_operations || changes.network_bandwidth)
    change.requests = limiter_requests(record);
  if (!record.boot_args.empty()) change.boot = boot_requests(record);
  return change;
}

// What runs becomes what the record says.
void tell_monitor(int directory, const VmChanges& changes, const store::VmRecord& record,
                  const Deadline& deadline) {
  monitor::RunningChange change;
  if (changes.egress != EgressChanges{}) change.egress = record.egress;
  if (changes.limits != LimitChanges{}) change.limits = limits_change(directory, changes.limits, record);
  if (!change.egress && !change.limits) return;
  monitor::MonitorClient::connect(directory, deadline).set(change, deadline);
}

// Some of it may have been changed when the rest was refused.
void take_back(int directory, const VmChanges& changes, const store::VmRecord& before) {
  try {
    tell_monitor(directory, changes, before, Deadline::after(kMonitorTime));
  } catch (const Error&) {
    // What was refused is refused again; it was not changed.
  }
}

// By the descriptor of the folder, since an engine may have left a link in its place. The copy is made where
// the sweep looks, and an engine does not.
void grow_own_disk(int directory, const store::VmRecord& record, uint64_t mib, std::stop_token stop) {
  const UniqueFd jail = open_beneath(directory, layout::kJail, O_RDONLY | O_DIRECTORY);
  disk::grow_disk(fmt::format("/proc/self/fd/{}/{}", jail.get(), own_disk(record)),
                  fmt::format("/proc/self/fd/{}", directory), mib, Deadline::never(stop));
}

// The record first: should this command die in between, the VM is as it was until its next start, and a start
// never goes back to what was given up.
void change(int directory, const VmChanges& changes, const store::VmRecord& before, std::stop_token stop) {
  store::VmRecord after = before;
  apply(changes, after);
  try {
    store::write_vm_record(directory, after);
  } catch (const Error&) {
    // It may be in place, and only not on the disk for certain.
    store::write_vm_record(directory, before);
    throw;
  }
  try {
    if (changes.disk_mib) grow_own_disk(directory, before, *changes.disk_mib, stop);
    if (!monitor::is_alive(directory)) return;
    tell_monitor(directory, changes, after, Deadline::after(kMonitorTime, stop));
  } catch (const Error&) {
    const bool ended_meanwhile = !changes.disk_mib && !monitor::is_alive(directory);
    if (ended_meanwhile) return;
    store::write_vm_record(directory, before);
    take_back(directory, changes, before);
    throw;
  }
}

}  // namespace

VmInfo set_vm(const Context& context, const std::string& name, const VmChanges& changes,
              std::stop_token stop) {
  open_vm(context, name);
  return in_context([&] { return fmt::format("change '{}'", name); },
                    [&] {
                      const store::EntryLock lock = lock_entry(context, store::Kind::kVm, name, "set", stop);
                      const UniqueFd directory = open_vm(context, name);
                      const store::VmRecord record = store::read_vm_record(directory.get(), name);
                      check_changes(directory.get(), changes, record);
                      change(directory.get(), changes, record, stop);
                      note_what_stays_allowed(context, name, changes.egress,
                                              net::with_changes(record.egress, changes.egress));
                      return once_done([] { return std::string("it is changed all the same"); },
                                       [&] { return describe_vm(context, name, directory.get()); });
                    });
}

void note_what_stays_allowed(const Context& context, const std::string& name, const EgressChanges& changes,
                             const Egress& after) {
  if (changes.mode != EgressMode::kNone || changes.allow || after.allow.empty()) return;
  std::string allowed;
  for (const EgressRule& rule : after.allow) allowed += " " + net::to_text(rule);
  context.note(
      fmt::format("'{0}' may still reach what it was allowed before:{1}; to close that, too: knaller set "
                  "{0} --allow none",
                  name, allowed));
}

}  // namespace knaller::vm
