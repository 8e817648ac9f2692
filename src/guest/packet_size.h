// libssh 0.10 divides what it sends by the largest packet that the peer takes, less 10 bytes: with a peer
// that says 10, writing never ends and fills all memory. libssh reports that number only in its log, so it is
// read there while a channel opens. Internal to this folder. One thread at a time, and only one watch on it:
// libssh's log belongs to the thread.
#ifndef KNALLER_GUEST_PACKET_SIZE_H_
#define KNALLER_GUEST_PACKET_SIZE_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "guest/libssh.h"

namespace knaller::guest {

class PacketSizeWatch {
 public:
  PacketSizeWatch();
  PacketSizeWatch(const PacketSizeWatch&) = delete;
  PacketSizeWatch& operator=(const PacketSizeWatch&) = delete;
  ~PacketSizeWatch();

  // Nothing when libssh did not say (another version of it).
  std::optional<uint32_t> seen() const { return seen_; }

 private:
  static void on_message(int level, const char* function, const char* message, void* self);

  int level_;
  ssh_logging_callback callback_;
  void* userdata_;
  std::optional<uint32_t> seen_;
};

// Of "ssh_packet_channel_open_conf: Remote window : 0, maxpacket : 32768". Pure.
std::optional<uint32_t> packet_size_in(std::string_view message);
// Throws kIo for a size with which no data can be sent in reasonable time. RFC 4254 has servers take 32768.
void check_packet_size(std::optional<uint32_t> size);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_PACKET_SIZE_H_
