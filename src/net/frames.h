// What went through a VM's TAP device, as the kernel counts it in /proc/ENGINE/net/dev.
#ifndef KNALLER_NET_FRAMES_H_
#define KNALLER_NET_FRAMES_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace knaller::net {

// The host's side: what it has received, the guest has sent.
struct DeviceCounters {
  uint64_t received_bytes = 0;
  uint64_t received_packets = 0;
  uint64_t sent_bytes = 0;
  uint64_t sent_packets = 0;
};
// Nothing where there is no such device, or no such counts.
std::optional<DeviceCounters> device_counters(std::string_view devices, std::string_view device);

// How many frames an engine has taken from its TAP device: the kernel counts one as sent when it is read
// (tun.c).
std::optional<uint64_t> frames_taken(std::string_view devices, std::string_view tap);

}  // namespace knaller::net

#endif  // KNALLER_NET_FRAMES_H_
