// Moves bytes one way between two descriptors, as poll(2) allows, and then the end (shutdown(2)). Without
// exceptions: the agent is built from this, too. Bounded memory; nothing blocks.
#ifndef KNALLER_CHANNEL_PUMP_H_
#define KNALLER_CHANNEL_PUMP_H_

#include <poll.h>
#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>

namespace knaller::channel {

// Like write(2), of as much as a descriptor takes that poll(2) found writable, without blocking and without
// SIGPIPE.
using WriteSome = ssize_t (*)(int fd, std::string_view bytes);
ssize_t write_to_socket(int fd, std::string_view bytes);

// Of a TCP connection that is given up: the other side is to see that something was lost, where a close would
// look like an end.
void reset_at_close(int socket);

class Pump {
 public:
  // `first` goes ahead of what is read. The descriptors stay the caller's.
  Pump(int from, int to, std::string first, WriteSome write = write_to_socket)
      : from_(from), to_(to), waiting_(std::move(first)), write_(write) {}

  // Two for poll(2), of which one at most is waited for at a time, and what came of that.
  void fill_in(std::span<pollfd, 2> entries) const;
  void move(std::span<const pollfd, 2> polled);

  // All that came from `from` is written, and `to` has been told, if it is a socket, that no more will come.
  bool has_ended() const { return has_ended_; }
  // An errno, when nobody takes more or, with broke_off(), `from` has none for a reason.
  int error() const { return error_; }
  bool broke_off() const { return reading_failed_; }
  bool is_over() const { return has_ended_ || error_ != 0; }

 private:
  void read_some();
  void write_some();

  int from_;
  int to_;
  std::string waiting_;
  WriteSome write_;
  bool has_ended_ = false;
  bool reading_failed_ = false;
  int error_ = 0;
};

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_PUMP_H_
