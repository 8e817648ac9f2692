#include "vm/snapshots/preflight_asked.h"

#include <fcntl.h>

#include <cerrno>

#include "base/error.h"
#include "base/process.h"
#include "engine/check_row.h"
#include "net/egress.h"
#include "net/tun.h"
#include "store/fields.h"
#include "store/limits.h"
#include "store/names.h"
#include "vm/life/limits.h"
#include "vm/life/ports.h"
#include "vm/snapshots/clone_settings.h"

namespace knaller::vm {

using engine::passed;
using engine::refused;
using store::SnapshotRecord;

namespace {

CheckRow egress_row(const SnapshotRecord& record, bool imported, const RestoreOptions& asked) {
  const std::string name = "egress";
  const Egress egress = egress_of_clone(record, imported, asked);
  const bool is_asked = asked.egress != EgressChanges{};
  try {
    net::check_egress(egress);
  } catch (const Error& error) {
    return refused(name, is_asked ? error.code() : Code::kCorrupt, error.message(), error.hint());
  }
  if (is_asked && network_of_clone(record, asked) == NetworkMode::kNone)
    return refused(name, Code::kInvalidArgument,
                   "without a network there is nothing that a clone could reach",
                   "leave out --egress, --allow and --deny");
  if (imported && !asked.egress.allow && !record.egress.allow.empty())
    return passed(name, net::to_text(egress) + ", without what the imported snapshot would allow");
  return passed(name, net::to_text(egress));
}

// Why a clone can't have the network that was asked for; empty when it can.
CheckRow network_mode_row(const SnapshotRecord& record, const RestoreOptions& asked) {
  const NetworkMode mode = network_of_clone(record, asked);
  const bool ports = asked.ports && !asked.ports->empty();
  const std::string name = "network";
  if (mode != NetworkMode::kNone && !record.network_device)
    return refused(name, Code::kUnsupported,
                   "its VM had no network device, and a saved state keeps the devices that it has",
                   "leave out --network, or take the snapshot of a VM that was started with a network");
  if (mode == NetworkMode::kNone && ports && !record.network_device)
    return refused(name, Code::kUnsupported,
                   "its VM had no network device, so no port can be forwarded to a clone");
  if (mode == NetworkMode::kNone && ports)
    return refused(name, Code::kInvalidArgument, "without a network no port can be forwarded",
                   "leave out --port or --network none");
  if (mode != NetworkMode::kNone) return passed(name, std::string(store::to_text(mode)));
  return passed(name,
                record.network_device ? "none: the guest keeps its device, which leads nowhere" : "none");
}

CheckRow tap_row() {
  try {
    net::open_tun();
    return passed("TAP", "/dev/net/tun opens");
  } catch (const Error& error) {
    return refused("TAP", error.code(), error.message(), error.hint());
  }
}

CheckRow pasta_row(const Context& context) {
  const std::string wanted = context.pasta.empty() ? "pasta" : context.pasta;
  const std::string found = find_program(wanted);
  if (!found.empty()) return passed("pasta", found);
  return refused("pasta", Code::kNotFound,
                 fmt::format("there is no '{}', which gives VMs their network", wanted),
                 "sudo apt install passt   # or start it with --network none");
}

CheckRow ports_row(const Context& context, const SnapshotRecord& record, bool imported,
                   const RestoreOptions& asked) {
  if (!asked.ports) {
    if (record.ports.empty()) return passed("ports", "none asked for");
    if (imported && !asked.trust_ports)
      return passed("ports", fmt::format("the guest ports of an imported snapshot, on free ones of 127.0.0.1 "
                                         "(it asks for {})",
                                         ports_text(record.ports)));
    return passed("ports", "those of the snapshot, or others where they are taken");
  }
  require_free(context, *asked.ports);
  require_bindable(*asked.ports);
  return passed("ports", asked.ports->empty() ? "none asked for" : "those asked for are free");
}

}  // namespace

CheckRow name_row(const Context& context, const std::string& name) {
  if (name.empty()) return passed("name", "one is made up");
  store::Name::parse(name);
  if (!context.home.has(store::Kind::kVm, name)) return passed("name", fmt::format("'{}' is free", name));
  return refused("name", Code::kAlreadyExists, fmt::format("there is a VM '{}' already", name),
                 fmt::format("choose another name, or remove it: knaller rm {}", name));
}

CheckRow limits_row(const SnapshotRecord& record, bool imported, const RestoreOptions& asked) {
  const std::string name = "limits";
  store::Machine machine = record;
  try {
    machine.limits = limits_of_clone(record, imported, asked);
    store::check_limits(machine.limits);
    require_limits(machine);
  } catch (const Error& error) {
    return refused(name, error.code(), error.message(), error.hint());
  }
  return passed(name, machine.limits == Limits{} ? "only those of every VM" : "can be enforced here");
}

void add_network_rows(const Context& context, const SnapshotRecord& record, bool imported,
                      const RestoreOptions& asked, const AddRow& add) {
  add("network", [&] { return network_mode_row(record, asked); });
  add("egress", [&] { return egress_row(record, imported, asked); });
  if (record.network_device || record.has_agent) add("TAP", tap_row);
  if (network_of_clone(record, asked) == NetworkMode::kNone) return;
  add("pasta", [&] { return pasta_row(context); });
  add("ports", [&] { return ports_row(context, record, imported, asked); });
}

}  // namespace knaller::vm
