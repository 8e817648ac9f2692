// Takes the connections of a listening socket in the event loop, one each time. Where there are no
// descriptors for them it rests, since what waits in the queue would wake the loop again and again.
#ifndef KNALLER_MONITOR_ACCEPTOR_H_
#define KNALLER_MONITOR_ACCEPTOR_H_

#include <functional>

#include "base/fd.h"
#include "monitor/loop.h"

namespace knaller::monitor {

class Acceptor {
 public:
  // `listener` stays the caller's, and open as long as this.
  Acceptor(Loop& loop, int listener, std::function<void(UniqueFd)> on_connection);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  void close();

 private:
  void listen();
  void accept_one();

  Loop& loop_;
  int listener_;
  std::function<void(UniqueFd)> on_connection_;
  Loop::Watch watch_;
  Loop::Timer rest_;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_ACCEPTOR_H_
