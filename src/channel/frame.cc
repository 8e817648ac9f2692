#include "channel/frame.h"

#include <cstring>

namespace knaller::channel {
namespace {

// byte 0..2  length of the payload, little-endian
// byte 3     kind
// byte 4     bits 0-1 channel, bit 7 "more"; the others are 0
// byte 5     0
// byte 6..7  stream, little-endian
constexpr uint8_t kChannelBits = 0x03;
constexpr uint8_t kMoreBit = 0x80;

uint8_t byte_at(std::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}

bool is_kind(uint8_t number) {
  return number >= static_cast<uint8_t>(Kind::kHello) && number <= static_cast<uint8_t>(Kind::kEntry);
}

}  // namespace

void append_header(std::string& out, const Frame& frame) {
  const size_t size = frame.payload.size();
  const uint8_t flags =
      static_cast<uint8_t>(static_cast<uint8_t>(frame.channel) | (frame.more ? kMoreBit : 0));
  const uint8_t header[kHeaderBytes] = {static_cast<uint8_t>(size),
                                        static_cast<uint8_t>(size >> 8),
                                        static_cast<uint8_t>(size >> 16),
                                        static_cast<uint8_t>(frame.kind),
                                        flags,
                                        0,
                                        static_cast<uint8_t>(frame.stream),
                                        static_cast<uint8_t>(frame.stream >> 8)};
  out.append(reinterpret_cast<const char*>(header), sizeof header);
}

void append(std::string& out, const Frame& frame) {
  append_header(out, frame);
  out.append(frame.payload);
}

void FrameReader::feed(std::string_view bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  buffer_.append(bytes);
}

std::optional<Frame> FrameReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(taken_);
  if (broken_ || rest.size() < kHeaderBytes) return std::nullopt;
  const size_t size = byte_at(rest, 0) | static_cast<size_t>(byte_at(rest, 1)) << 8 |
                      static_cast<size_t>(byte_at(rest, 2)) << 16;
  const uint8_t flags = byte_at(rest, 4);
  if (size > kMostPayload || !is_kind(byte_at(rest, 3)) || (flags & ~(kChannelBits | kMoreBit)) != 0 ||
      byte_at(rest, 5) != 0) {
    broken_ = true;
    return std::nullopt;
  }
  if (rest.size() - kHeaderBytes < size) return std::nullopt;
  taken_ += kHeaderBytes + size;
  return Frame{.kind = static_cast<Kind>(byte_at(rest, 3)),
               .channel = static_cast<Channel>(flags & kChannelBits),
               .more = (flags & kMoreBit) != 0,
               .stream = static_cast<uint16_t>(byte_at(rest, 6) | byte_at(rest, 7) << 8),
               .payload = rest.substr(kHeaderBytes, size)};
}

}  // namespace knaller::channel
