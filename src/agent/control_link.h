// The network device that leads to knaller and to nobody else. Its guest side lives in a network namespace of
// its own, so neither the guest's programs nor its firewall, DHCP client or `ip` ever see it; nobody in the
// guest can connect to the agent without entering that namespace, which takes root and intent.
#ifndef KNALLER_AGENT_CONTROL_LINK_H_
#define KNALLER_AGENT_CONTROL_LINK_H_

#include <string>

namespace knaller::agent {

// A listening socket there, which holds the namespace; -1, and what could not be done, when there is none.
// The device is found by its MAC in the namespace that this process is in, or was left in by an agent before
// this one. The kernel's file systems are mounted.
int listen_on_control_link(std::string* failed);

// Whether the device is in the namespace that this process is in: the kernel gives it back when the last
// process of an agent's has been killed.
bool has_control_link();

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_CONTROL_LINK_H_
