// The guest's network from inside: addresses and the default route, through ioctls (no netlink and no `ip`
// program needed).
#ifndef KNALLER_IMAGE_GUEST_NETWORK_H_
#define KNALLER_IMAGE_GUEST_NETWORK_H_

#include <string>

#include "image/guest/boot_config.h"

namespace knaller::guest_helper {

// Brings lo up and, when `network` is present, the first Ethernet interface with its address and default
// route. False, and what failed, otherwise.
bool set_up_network(const NetworkConfig& network, std::string* failed);

// Is something listening on this TCP port, on any address?
bool is_listening(unsigned port);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_NETWORK_H_
