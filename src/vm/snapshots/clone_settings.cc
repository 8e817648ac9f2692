#include "vm/snapshots/clone_settings.h"

#include <algorithm>

#include "net/egress.h"
#include "store/limits.h"

namespace knaller::vm {

using store::SnapshotRecord;

std::vector<PortForward> ports_of_clone(const SnapshotRecord& record, bool imported,
                                        const RestoreOptions& asked) {
  if (network_of_clone(record, asked) == NetworkMode::kNone) return {};
  if (asked.ports) return *asked.ports;
  std::vector<PortForward> ports = record.ports;
  if (imported && !asked.trust_ports)
    for (PortForward& port : ports) port = {.guest = port.guest, .protocol = port.protocol};
  return ports;
}

Egress egress_of_clone(const SnapshotRecord& record, bool imported, const RestoreOptions& asked) {
  Egress egress = record.egress;
  if (imported) egress.allow.clear();
  return net::with_changes(std::move(egress), asked.egress);
}

Limits limits_of_clone(const SnapshotRecord& record, bool imported, const RestoreOptions& asked) {
  Limits limits = record.limits;
  if (imported)
    limits = {.milli_cpus = limits.milli_cpus,
              .cpu_weight = std::min(limits.cpu_weight, store::kUsualWeight),
              .best_effort = true,
              .disk_bandwidth = limits.disk_bandwidth,
              .disk_operations = limits.disk_operations,
              .network_bandwidth = limits.network_bandwidth};
  // Who asks for something himself is told when it can't be had.
  if (imported && !asked.limits.best_effort && asked.limits != LimitChanges{}) limits.best_effort = false;
  limits = store::with_changes(limits, asked.limits);
  store::settle_cpus(limits, std::max(record.vcpus, 1u));
  return limits;
}

NetworkMode network_of_clone(const SnapshotRecord& record, const RestoreOptions& asked) {
  return asked.network.value_or(record.network);
}

}  // namespace knaller::vm
