// One direction of one byte stream of the channel, at both ends: how much may be on its way, and what has to
// be kept in case the connection breaks and another one goes on. Pure, and without exceptions.
//
// All numbers are positions: bytes since the stream began. The receiver says up to which position it takes
// bytes, always a window beyond what has been used up; so whatever lies a window below that is no longer
// needed by anybody, and the sender forgets it. That is the whole of flow control, acknowledgement and
// resumption.
#ifndef KNALLER_CHANNEL_FLOW_H_
#define KNALLER_CHANNEL_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace knaller::channel {

// What may be sent before anything was said, and never more at a time.
inline constexpr uint64_t kWindow = 256 << 10;

class Sender {
 public:
  // How many bytes put() takes now.
  size_t room() const { return static_cast<size_t>(kWindow) - (kept_.size() - dropped_); }
  // At most room() bytes; never after finish().
  void put(std::string_view bytes);
  // No more bytes will come.
  void finish() { finished_ = true; }

  // What may be sent now; empty for nothing. Valid until the next call of another function.
  std::string_view sendable(size_t most) const;
  void sent(size_t bytes) { sent_ += bytes; }
  // Everything was sent, and finish() called: the end may be told.
  bool is_at_end() const { return finished_ && sent_ == begin_ + kept_.size() - dropped_; }
  // Everything was used up by the receiver.
  bool is_done() const { return finished_ && kept_.size() == dropped_; }

  // The receiver takes bytes up to there. False for what no honest one says.
  bool allow(uint64_t position);
  // A new connection: the receiver has everything before that position. False for what can't be.
  bool resume(uint64_t position);
  // A new sender to a stream of which somebody has sent that much. Before anything was put; nothing is
  // allowed.
  void begin_at(uint64_t position) { begin_ = sent_ = allowed_ = position; }
  // A new receiver, who gets what is kept. Returns the position where that begins.
  uint64_t begin_anew();
  // Makes room by what is oldest, which is lost: nobody receives.
  void discard(size_t bytes);

 private:
  std::string kept_;    // from position begin_ - dropped_
  size_t dropped_ = 0;  // of kept_, what nobody needs any more
  uint64_t begin_ = 0;  // of what is needed
  uint64_t sent_ = 0;
  uint64_t allowed_ = kWindow;
  bool finished_ = false;
};

class Receiver {
 public:
  // These bytes have come. False when they are more than was allowed.
  bool received(size_t bytes);
  // And these have been used up.
  void used(size_t bytes) { used_ += bytes; }
  uint64_t position() const { return received_; }
  // What comes begins there. Before anything has come.
  void begin_at(uint64_t position) {
    received_ = used_ = position;
    told_ = limit();
  }

  // Whether the sender should be told limit() now: not for each byte, but before it has to stop.
  bool is_due() const { return limit() - told_ >= kWindow / 4; }
  uint64_t limit() const { return used_ + kWindow; }
  void told() { told_ = limit(); }

 private:
  uint64_t received_ = 0;
  uint64_t used_ = 0;
  uint64_t told_ = kWindow;
};

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_FLOW_H_
