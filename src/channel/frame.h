// The frames of the channel between knaller and the agent in a guest (docs/formats/agent.md).
//
// Pure, and without exceptions: the agent is built from this, too. Neither side trusts the other: whatever is
// not a frame of this form is an error to the reader, and costs no more memory than one frame.
#ifndef KNALLER_CHANNEL_FRAME_H_
#define KNALLER_CHANNEL_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace knaller::channel {

inline constexpr size_t kHeaderBytes = 8;
// Of one frame, without its header. What is longer goes on in the next one.
inline constexpr size_t kMostPayload = 64 << 10;

enum class Kind : uint8_t {
  kHello = 1,  // the first of each side, on stream 0
  kOpen,       // begins a stream; its payload may go on over several frames
  kData,       // bytes of one of the stream's channels
  kEnd,        // of one of the stream's channels, or, on channel kWhole, of the stream
  kCredit,     // so many more bytes of a channel may be sent
  kEvent,      // something about the stream that is no data: it has started, a signal, a window's size
  kEntry,      // a file, folder or link of a copy
};

// A stream has up to four byte streams in each direction.
enum class Channel : uint8_t {
  kInput = 0,   // to the guest
  kOutput = 1,  // from the guest
  kError = 2,   // from the guest
  kWhole = 3,   // no bytes: the stream itself
};

struct Frame {
  Kind kind = Kind::kHello;
  Channel channel = Channel::kWhole;
  bool more = false;  // the payload goes on in the stream's next frame of this kind
  uint16_t stream = 0;
  std::string_view payload;  // of the reader's buffer, until it is fed again
};

// Appends the frame. Its payload has at most kMostPayload bytes.
void append(std::string& out, const Frame& frame);
// Without its payload, which is to follow.
void append_header(std::string& out, const Frame& frame);

// Takes bytes as they come, and gives frames.
class FrameReader {
 public:
  // What was taken of the frame before is gone with this.
  void feed(std::string_view bytes);
  // Nothing when more bytes are needed, or broken() says that no more frames can come.
  std::optional<Frame> next();
  bool broken() const { return broken_; }
  // In the middle of a frame: an end of file here is a loss.
  bool is_inside() const { return taken_ < buffer_.size(); }
  // What came behind the last frame, where that was the last one.
  std::string rest() const { return buffer_.substr(taken_); }

 private:
  std::string buffer_;
  size_t taken_ = 0;
  bool broken_ = false;
};

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_FRAME_H_
