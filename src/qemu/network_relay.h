// Frames between a TAP device and QEMU under Firecracker's rate limiters. QEMU has none for network devices,
// so an interface with a limiter is not QEMU's TAP but one end of a pair of datagram sockets, with this in
// between.
//
// Never blocks: a frame that must wait stays here, one for each direction, and everything behind it stays
// where it came from, as in Firecracker. Single-threaded, in knaller-qemu's event loop.
#ifndef KNALLER_QEMU_NETWORK_RELAY_H_
#define KNALLER_QEMU_NETWORK_RELAY_H_

#include <string>

#include "base/fd.h"
#include "firecracker/engine_api.h"
#include "qemu/token_bucket.h"

namespace knaller::qemu {

// An interface that was configured with a limiter, even one that limits nothing. This decides what the
// guest's card can do (a TAP takes checksums off it), so it stays the same all the VM's life and for its
// clones.
bool is_relayed(const firecracker::NetworkSetup& network);

class NetworkRelay {
 public:
  // `tap` without headers in front of the frames (TapFrames::kPlain).
  NetworkRelay(const firecracker::NetworkSetup& network, UniqueFd tap);
  NetworkRelay(const NetworkRelay&) = delete;
  NetworkRelay& operator=(const NetworkRelay&) = delete;

  // QEMU's end of the pair. Once.
  UniqueFd take_qemu_end() { return std::move(qemu_end_); }
  void change(const firecracker::NetworkSetup& network);

  // Readable when on_ready() has something to do.
  int event_fd() const { return events_.get(); }
  void on_ready();

 private:
  struct Lane {
    int from;
    int to;
    Limiter limiter;
    std::string frame;                // the one that waits; empty: none
    bool paid = false;                // its tokens were taken: it waits for room
    Limiter::Clock::duration wait{};  // for tokens
  };
  void pump(Lane& lane);
  bool deliver(Lane& lane);
  void watch();
  void watch(int fd, const Lane& reads, const Lane& writes);

  UniqueFd tap_;
  UniqueFd socket_;
  UniqueFd qemu_end_;
  UniqueFd timer_;
  UniqueFd events_;  // epoll
  Lane to_guest_;
  Lane from_guest_;
};

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_NETWORK_RELAY_H_
