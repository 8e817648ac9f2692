#include "guest/packet_size.h"

#include "base/error.h"
#include "base/text.h"

namespace knaller::guest {
namespace {

constexpr uint32_t kLeastPacket = 512;
constexpr std::string_view kMark = "maxpacket : ";

void drop_message(int, const char*, const char*, void*) {}

}  // namespace

PacketSizeWatch::PacketSizeWatch()
    : level_(libssh().ssh_get_log_level()),
      callback_(libssh().ssh_get_log_callback()),
      userdata_(libssh().ssh_get_log_userdata()) {
  libssh().ssh_set_log_callback(on_message);
  libssh().ssh_set_log_userdata(this);
  libssh().ssh_set_log_level(SSH_LOG_PROTOCOL);
}

PacketSizeWatch::~PacketSizeWatch() {
  libssh().ssh_set_log_level(level_);
  libssh().ssh_set_log_userdata(userdata_);
  // There is no way back to having none.
  libssh().ssh_set_log_callback(callback_ != nullptr ? callback_ : drop_message);
}

void PacketSizeWatch::on_message(int, const char*, const char* message, void* self) {
  if (const auto size = packet_size_in(message)) static_cast<PacketSizeWatch*>(self)->seen_ = size;
}

std::optional<uint32_t> packet_size_in(std::string_view message) {
  const size_t mark = message.find(kMark);
  if (mark == std::string_view::npos) return std::nullopt;
  const auto size = parse_integer(trim(message.substr(mark + kMark.size())), 0, UINT32_MAX);
  return size ? std::optional(static_cast<uint32_t>(*size)) : std::nullopt;
}

void check_packet_size(std::optional<uint32_t> size) {
  if (size && *size < kLeastPacket)
    fail(Code::kIo, "the guest's SSH server takes packets of {} bytes only", *size);
}

}  // namespace knaller::guest
