// The byte streams of a program in a guest, between the link and the caller's descriptors. One thread.
#ifndef KNALLER_ENTRY_STREAMS_H_
#define KNALLER_ENTRY_STREAMS_H_

#include <knaller/manager.h>
#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "channel/flow.h"
#include "entry/link.h"

namespace knaller::entry {

// One of the program's outputs on its way to the caller's descriptor; -1: it is dropped.
class Outlet {
 public:
  Outlet(Link& link, channel::Channel channel, int fd) : link_(link), channel_(channel), fd_(fd) {}

  // What comes begins there.
  void begin_at(uint64_t position) { flow_.begin_at(position); }
  void take(std::string_view bytes);
  void deliver(short revents);
  pollfd poll_entry() const { return {pending_.empty() ? -1 : fd_, POLLOUT, 0}; }
  bool idle() const { return pending_.empty(); }
  bool nobody_reads() const { return nobody_reads_; }

 private:
  void use(size_t bytes);

  Link& link_;
  channel::Channel channel_;
  int fd_;
  channel::Receiver flow_;
  std::string pending_;
  bool nobody_reads_ = false;
};

// The caller's input on its way to the program.
class Inlet {
 public:
  Inlet(Link& link, const ExecOptions& options)
      : link_(link), fd_(options.stdin_fd), leave_key_(options.tty ? options.leave_key : '\0') {}

  // There is none, which the program is to see.
  void end() { flow_.finish(); }
  // Of a program that has had some from somebody else; nothing: it takes no more.
  void begin_at(const std::optional<uint64_t>& position);
  // The payload of a kCredit.
  void allow(std::string_view payload);
  void forward();
  void fetch(short revents);
  // Only while the program takes more: what it does not read stays with the caller.
  pollfd poll_entry(bool started) const;
  // The key was typed; what came before it is on its way.
  bool was_left() const { return was_left_; }

 private:
  void put(std::string_view bytes);

  Link& link_;
  int fd_;
  char leave_key_;
  channel::Sender flow_;
  bool end_told_ = false;
  bool was_left_ = false;
  bool is_of_no_use_ = false;
};

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_STREAMS_H_
