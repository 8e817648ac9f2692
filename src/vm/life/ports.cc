#include "vm/life/ports.h"

#include <algorithm>
#include <cerrno>

#include "base/deadline.h"
#include "base/error.h"
#include "base/text.h"
#include "monitor/alive.h"
#include "net/ports.h"
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
  } catch (const Error&) {
    // Removed meanwhile, broken or foreign: pasta's own bind decides.
  }
}

const HeldPort* holder_of(const PortForward& port, const std::vector<HeldPort>& held) {
  const auto found = std::find_if(held.begin(), held.end(),
                                  [&](const HeldPort& other) { return is_same_listener(port, other.port); });
  return found == held.end() ? nullptr : &*found;
}

// A port is free only some 50 ms after its last owner was killed, and nothing tells when.
int lasting_bind_error(const PortForward& port) {
  constexpr std::chrono::milliseconds kBetween{5};
  const Deadline patience = Deadline::after(std::chrono::milliseconds(200));
  int error = net::bind_error(port);
  while (error == EADDRINUSE && !patience.expired()) {
    if (!net::port_holder(port.address, port.host, port.protocol).empty()) break;
    pause_for(kBetween, patience);
    error = net::bind_error(port);
  }
  return error;
}

std::string port_text(const PortForward& port) {
  return fmt::format("{}{}->{}{}", port.address == "127.0.0.1" ? "" : port.address + ":",
                     port.host == 0 ? "any" : fmt::format("{}", port.host), port.guest,
                     port.protocol == Protocol::kUdp ? "/udp" : "");
}

}  // namespace

std::string ports_text(const std::vector<PortForward>& ports) {
  constexpr size_t kMostShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(ports.size(), kMostShown); ++i)
    text += (i == 0 ? "" : ", ") + port_text(ports[i]);
  return ports.size() <= kMostShown ? text : text + fmt::format(" and {} more", ports.size() - kMostShown);
}

uint16_t ssh_port_of(const std::vector<PortForward>& bound) {
  constexpr uint16_t kSshPort = 22;
  const auto leads_there = [](const PortForward& port) {
    return port.guest == kSshPort && port.protocol == Protocol::kTcp &&
           (port.address == "127.0.0.1" || port.address == "0.0.0.0");
  };
  const auto found = std::find_if(bound.begin(), bound.end(), leads_there);
  return found == bound.end() ? uint16_t{0} : found->host;
}

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

void require_bindable(const std::vector<PortForward>& ports) {
  for (const PortForward& port : ports) {
    if (port.host == 0) continue;
    if (const int error = lasting_bind_error(port); error != 0) throw net::port_refused(port, error);
  }
}

void lease_held(const Context& context, std::vector<PortForward>& ports) {
  if (ports.empty()) return;
  const std::vector<HeldPort> held = held_ports(context);
  for (PortForward& port : ports)
    if (holder_of(port, held) != nullptr) port.host = 0;
}

}  // namespace knaller::vm
