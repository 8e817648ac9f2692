// A connection to the agent in a guest (docs/formats/agent.md): frames out, frames in.
//
// One thread at a time; nothing here blocks. The peer is not trusted: what is no frame, or not what an agent
// says, is kIo, and so is an end of the connection or of the engine. Memory for it is bounded.
#ifndef KNALLER_ENTRY_LINK_H_
#define KNALLER_ENTRY_LINK_H_

#include <poll.h>

#include <array>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "channel/frame.h"
#include "channel/message.h"

namespace knaller::entry {

// Of a link that is used for one thing.
inline constexpr uint16_t kOnlyStream = 1;

// As the VM's monitor gives it.
struct WayIn {
  UniqueFd socket;
  // Readable once the VM's engine has ended. No packet tells of that: the guest's kernel ends with it.
  UniqueFd engine;
};

// A link whose bytes are no frames any more.
struct RawLink {
  WayIn way;
  std::string heard;  // behind the last frame
};

class Link {
 public:
  // Greets at once. `vm`: the VM's uuid, by which the agent knows whether it is in a clone.
  Link(WayIn way, const std::string& vm);

  void send(const channel::Frame& frame) { channel::append(out_, frame); }
  // What a receiver takes from now on, when that is due.
  void tell_limit(uint16_t stream, channel::Channel channel, channel::Receiver& receiver) {
    channel::append_limit_if_due(out_, stream, channel, receiver);
  }
  // A payload of any length, over as many frames as it takes.
  void open(uint16_t stream, std::string_view payload);
  // Data is only made into frames while this is true.
  bool takes_data() const { return out_.size() < kMostWaiting; }

  // For poll(2), and what came of that: writes what waits and reads what there is. Each frame is handed on,
  // until `take` says that there are no more.
  using PollEntries = std::array<pollfd, 2>;
  using Take = std::function<bool(const channel::Frame&)>;
  PollEntries poll_entries() const;
  void move(std::span<const pollfd, 2> polled, const Take& take);
  // Writes what waits, as far as that goes at once.
  void flush();
  // After the last frame.
  RawLink release() && { return {std::move(way_), reader_.rest()}; }
  // After move() has thrown: nothing more will come, and what came before was in order.
  bool has_ended() const { return has_ended_; }

 private:
  static constexpr size_t kMostWaiting = 128 << 10;
  enum class Read { kNothing, kSome, kEnd };
  Read read_some();
  bool take_all(const Take& take);
  void take_hello(const channel::Frame& frame);

  WayIn way_;
  std::string out_;
  channel::FrameReader reader_;
  bool greeted_ = false;
  bool has_ended_ = false;
};

[[noreturn]] void fail_of_agent(std::string_view what);
[[noreturn]] void fail_of_engine();

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_LINK_H_
