// The monitor's event loop: descriptors and timers, on poll(2). Single-threaded; callbacks may add and remove
// anything, also themselves. A monitor watches a dozen descriptors, so nothing bigger is needed, and it stays
// within its 3 MiB.
#ifndef KNALLER_MONITOR_LOOP_H_
#define KNALLER_MONITOR_LOOP_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/deadline.h"

namespace knaller::monitor {

class Loop {
 public:
  using Clock = std::chrono::steady_clock;
  using TimerId = uint64_t;  // 0: none

  // `callback` gets what poll(2) reported. One watch per descriptor; unwatch() before closing it.
  void watch(int fd, short events, std::function<void(short)> callback);
  void change_events(int fd, short events);
  void unwatch(int fd);

  template <class Rep, class Period>
  TimerId after(std::chrono::duration<Rep, Period> delay, std::function<void()> callback) {
    return at(Deadline::after(delay).when(), std::move(callback));
  }
  TimerId at(Clock::time_point when, std::function<void()> callback);
  void cancel(TimerId& timer);  // and sets it to 0

  // Until stop(). An exception that leaves a callback leaves run() too.
  void run();
  void stop() { stopped_ = true; }

 private:
  struct Watch {
    uint64_t id;
    short events;
    std::shared_ptr<std::function<void(short)>> callback;
  };
  struct Timer {
    Clock::time_point when;
    std::function<void()> callback;
  };

  int timeout() const;
  void poll_once();
  void run_timers();

  std::map<int, Watch> watches_;
  std::map<TimerId, Timer> timers_;
  uint64_t next_id_ = 1;
  bool stopped_ = false;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_LOOP_H_
