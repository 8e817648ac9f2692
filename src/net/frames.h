#ifndef KNALLER_NET_FRAMES_H_
#define KNALLER_NET_FRAMES_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace knaller::net {

// How many frames an engine has taken from its TAP device, by the text of /proc/ENGINE/net/dev: the kernel
// counts one as sent when it is read (tun.c). Nothing where there is no such device, or no such count.
std::optional<uint64_t> frames_taken(std::string_view devices, std::string_view tap);

}  // namespace knaller::net

#endif  // KNALLER_NET_FRAMES_H_
