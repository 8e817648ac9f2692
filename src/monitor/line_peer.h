// One connection of the event loop that speaks JSON lines. Never blocks: what a peer does not read is kept up
// to a limit, and a peer that exceeds it is dropped.
#ifndef KNALLER_MONITOR_LINE_PEER_H_
#define KNALLER_MONITOR_LINE_PEER_H_

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "base/fd.h"
#include "monitor/loop.h"

namespace knaller::monitor {

class LinePeer {
 public:
  struct Limits {
    size_t line = 64 << 10;
    size_t unsent = 1 << 20;
  };

  // `on_line` gets each whole line; `on_end` is called once, when the peer is gone (end of file, an error, an
  // over-long line). Both may destroy the peer.
  LinePeer(Loop& loop, UniqueFd socket, Limits limits, std::function<void(const std::string&)> on_line,
           std::function<void()> on_end);
  ~LinePeer();
  LinePeer(const LinePeer&) = delete;
  LinePeer& operator=(const LinePeer&) = delete;

  void send(const nlohmann::json& message);
  // With descriptors. kBusy when it can't be sent at once.
  void send_with_fds(const nlohmann::json& message, std::span<const int> fds);
  // For text that may be lost (console pieces): dropped when the peer is behind.
  void send_if_room(const nlohmann::json& message);
  bool flushed() const { return unsent_.empty(); }
  bool ended() const { return ended_; }
  // Whether the peer will send no more, even if not all that it sent has been taken.
  bool has_hung_up() const;
  int fd() const { return socket_.get(); }

 private:
  void on_event(short events);
  void receive();
  void flush();
  void give_up();
  void end();

  UniqueFd socket_;
  Loop::Watch watch_;
  Limits limits_;
  std::function<void(const std::string&)> on_line_;
  std::function<void()> on_end_;
  std::string received_;
  std::string unsent_;
  bool ended_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_LINE_PEER_H_
