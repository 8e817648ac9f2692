// The monitor's event loop: descriptors and timers, on poll(2). Single-threaded; callbacks may add and remove
// anything, also themselves. A monitor watches a dozen descriptors, so nothing bigger is needed, and it stays
// within its 3 MiB.
//
// What is watched and what is waited for ends with the Watch and the Timer that stand for it. They belong to
// what they call, behind the descriptor that they are about, and never outlive the Loop.
#ifndef KNALLER_MONITOR_LOOP_H_
#define KNALLER_MONITOR_LOOP_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/deadline.h"

namespace knaller::monitor {

class Loop {
 public:
  using Clock = std::chrono::steady_clock;

  class [[nodiscard]] Watch {
   public:
    Watch() = default;
    Watch(Watch&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)), id_(other.id_) {}
    Watch& operator=(Watch&& other) noexcept;
    ~Watch() { reset(); }
    void reset();
    void change_events(short events);

   private:
    friend class Loop;
    Watch(Loop* loop, uint64_t id) : loop_(loop), id_(id) {}
    Loop* loop_ = nullptr;
    uint64_t id_ = 0;
  };

  class [[nodiscard]] Timer {
   public:
    Timer() = default;
    Timer(Timer&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)), id_(other.id_) {}
    Timer& operator=(Timer&& other) noexcept;
    ~Timer() { reset(); }
    void reset();
    explicit operator bool() const;  // it is still to come

   private:
    friend class Loop;
    Timer(Loop* loop, uint64_t id) : loop_(loop), id_(id) {}
    Loop* loop_ = nullptr;
    uint64_t id_ = 0;
  };

  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // `callback` gets what poll(2) reported.
  Watch watch(int fd, short events, std::function<void(short)> callback);
  template <class Rep, class Period>
  Timer after(std::chrono::duration<Rep, Period> delay, std::function<void()> callback) {
    return at(Deadline::after(delay).when(), std::move(callback));
  }
  Timer at(Clock::time_point when, std::function<void()> callback);

  // Until stop(). An exception that leaves a callback leaves run() too.
  void run();
  void stop() { stopped_ = true; }

 private:
  struct Watched {
    int fd;
    short events;
    std::shared_ptr<std::function<void(short)>> callback;
  };
  struct Due {
    Clock::time_point when;
    std::function<void()> callback;
  };

  int timeout() const;
  void poll_once();
  void run_timers();

  std::map<uint64_t, Watched> watches_;
  std::map<uint64_t, Due> timers_;
  uint64_t next_id_ = 1;
  bool stopped_ = false;
};

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_LOOP_H_
