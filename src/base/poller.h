// poll(2) on several descriptors at once, woken by a stop token. Used on one thread; throws kCancelled when
// asked to stop.
#ifndef KNALLER_BASE_POLLER_H_
#define KNALLER_BASE_POLLER_H_

#include <poll.h>

#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller {

class Poller {
 public:
  explicit Poller(std::stop_token stop);
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Fills in `revents`. Returns how many are ready; 0 when the deadline passed. Skips entries with a negative
  // fd.
  int wait(std::span<pollfd> entries, const Deadline& deadline);

 private:
  std::stop_token stop_;
  UniqueFd wake_;
  std::vector<pollfd> polled_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace knaller

#endif  // KNALLER_BASE_POLLER_H_
