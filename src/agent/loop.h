// Waits for descriptors and times, and calls whoever they belong to. One thread.
#ifndef KNALLER_AGENT_LOOP_H_
#define KNALLER_AGENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace knaller::agent {

class Loop {
 public:
  // Gets the events of epoll(7). It may watch and forget any descriptor, its own included.
  using Handler = std::function<void(uint32_t events)>;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // False, with errno, when there is no memory for it. Forget it before it is closed.
  bool watch(int fd, uint32_t events, Handler handler);
  void change(int fd, uint32_t events);
  void forget(int fd);
  // Once, so many milliseconds from now.
  void after(int milliseconds, std::function<void()> handler);

  // Until stop().
  void run();
  void stop() { stopped_ = true; }

 private:
  struct Watch {
    uint32_t number = 0;  // of this watch: an event of an earlier one of the same descriptor is nobody's
    std::shared_ptr<Handler> handler;
  };
  void call_due_timers();
  int milliseconds_until_next() const;

  int epoll_;
  bool stopped_ = false;
  uint32_t next_number_ = 1;
  std::map<int, Watch> watches_;
  std::multimap<int64_t, std::function<void()>> timers_;
};

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_LOOP_H_
