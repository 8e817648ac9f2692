// Which host ports running VMs hold.
#ifndef KNALLER_VM_LIFE_PORTS_H_
#define KNALLER_VM_LIFE_PORTS_H_

#include <optional>
#include <string>
#include <vector>

#include "vm/home/context.h"

namespace knaller::vm {

struct HeldPort {
  PortForward port;
  std::string vm;
};
// From the records of the VMs that are alive.
std::vector<HeldPort> held_ports(const Context& context);
// "8080->80, 0.0.0.0:53->53/udp"; of many the first ones.
std::string ports_text(const std::vector<PortForward>& ports);
// Of this host's, on 127.0.0.1 or everywhere: that leads to a guest's port 22. 0: none does.
uint16_t ssh_port_of(const std::vector<PortForward>& bound);
bool is_same_listener(const PortForward& a, const PortForward& b);

// For ports that the user asked for: kBusy, naming the VM that holds one. Whether another program holds one,
// pasta finds out.
void require_free(const Context& context, const std::vector<PortForward>& ports);
// The same for what other programs hold, as far as a look can tell: in the end pasta's own bind decides.
// kPermission for ports that this user may not have.
void require_bindable(const std::vector<PortForward>& ports);
// For ports that nobody asked for by number: those that are held become 0, "any".
void lease_held(const Context& context, std::vector<PortForward>& ports);

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_PORTS_H_
