#include "vm/ports.h"

#include <algorithm>

#include "base/error.h"
#include "monitor/alive.h"
#include "store/vm_record.h"

namespace knaller::vm {
namespace {

using store::Kind;

void add_ports_of(const Context& context, const std::string& name, std::vector<HeldPort>& held) {
  try {
    const UniqueFd directory = context.home.open_entry(Kind::kVm, name);
    if (!monitor::is_alive(directory.get())) return;
    const store::VmRecord record = store::read_vm_record(directory.get(), name);
    for (const PortForward& port : record.bound) held.push_back({port, name});
    if (record.ssh_port != 0) held.push_back({{.host = record.ssh_port, .guest = 22}, name});
  } catch (const Error&) {
    // Removed meanwhile, broken or foreign: pasta's own bind decides.
  }
}

const HeldPort* holder_of(const PortForward& port, const std::vector<HeldPort>& held) {
  const auto found = std::find_if(held.begin(), held.end(),
                                  [&](const HeldPort& other) { return is_same_listener(port, other.port); });
  return found == held.end() ? nullptr : &*found;
}

}  // namespace

bool is_same_listener(const PortForward& a, const PortForward& b) {
  if (a.host == 0 || a.host != b.host || a.protocol != b.protocol) return false;
  return a.address == b.address || a.address == "0.0.0.0" || b.address == "0.0.0.0";
}

std::vector<HeldPort> held_ports(const Context& context) {
  std::vector<HeldPort> held;
  for (const std::string& name : context.home.entries(Kind::kVm)) add_ports_of(context, name, held);
  return held;
}

void require_free(const Context& context, const std::vector<PortForward>& ports) {
  if (ports.empty()) return;
  const std::vector<HeldPort> held = held_ports(context);
  for (const PortForward& port : ports)
    if (const HeldPort* holder = holder_of(port, held))
      throw Error(Code::kBusy, fmt::format("host port {} is held by VM '{}'", port.host, holder->vm),
                  fmt::format("choose another port, or let knaller choose one: --port 0:{}", port.guest));
}

void lease_held(const Context& context, std::vector<PortForward>& ports) {
  if (ports.empty()) return;
  const std::vector<HeldPort> held = held_ports(context);
  for (PortForward& port : ports)
    if (holder_of(port, held) != nullptr) port.host = 0;
}

}  // namespace knaller::vm
