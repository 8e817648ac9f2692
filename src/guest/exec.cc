// Session::exec: joins the caller's descriptors to a command in the guest until it ends.
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string>

#include "base/error.h"
#include "base/poller.h"
#include "guest/channel.h"
#include "guest/command_line.h"
#include "guest/session_impl.h"
#include "guest/signal_sender.h"

namespace knaller::guest {
namespace {

constexpr size_t kChunk = 32768;

// One of the command's outputs on its way to the caller's descriptor.
class Outlet {
 public:
  Outlet(Channel& channel, Stream stream, int fd) : channel_(channel), stream_(stream), fd_(fd) {}

  void fetch() {
    if (!pending_.empty()) return;
    std::array<char, kChunk> buffer;
    const size_t got = channel_.read_some(stream_, buffer.data(), buffer.size());
    if (fd_ >= 0) pending_.assign(buffer.data(), got);
  }

  void deliver(short revents) {
    if (pending_.empty() || revents == 0) return;
    const ssize_t written = write_without_blocking(fd_, pending_);
    if (written >= 0) {
      pending_.erase(0, static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      nobody_reads_ = true;
      pending_.clear();
      fd_ = -1;
    } else if (errno != EAGAIN && errno != EINTR) {
      fail_errno("write what the command in the guest says");
    }
  }

  pollfd poll_entry() const { return {pending_.empty() ? -1 : fd_, POLLOUT, 0}; }
  bool idle() const { return pending_.empty(); }
  bool nobody_reads() const { return nobody_reads_; }

 private:
  Channel& channel_;
  Stream stream_;
  int fd_;
  std::string pending_;
  bool nobody_reads_ = false;
};

// The caller's input on its way to the command.
class Inlet {
 public:
  Inlet(Channel& channel, int fd) : channel_(channel), fd_(fd) {}

  void forward() {
    pending_.erase(0, channel_.write_some(pending_));
    if (fd_ < 0 && pending_.empty()) channel_.send_eof();
  }

  void fetch(short revents) {
    if (revents == 0) return;
    std::array<char, kChunk> buffer;
    const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    // EIO is a terminal that hung up: nothing more will come, as at an end of file.
    if (got < 0 && errno != EIO) fail_errno("read the input for the command in the guest");
    if (got <= 0)
      fd_ = -1;
    else
      pending_.assign(buffer.data(), static_cast<size_t>(got));
  }

  // Only while the command takes more: what it does not read stays with the caller.
  pollfd poll_entry() const { return {pending_.empty() && channel_.takes_input() ? fd_ : -1, POLLIN, 0}; }

 private:
  Channel& channel_;
  int fd_;
  std::string pending_;
};

class Relay {
 public:
  Relay(Channel& channel, const ExecOptions& options)
      : channel_(channel),
        options_(options),
        deadline_(Deadline::never(options.stop)),
        poller_(options.stop),
        signal_fd_(options.signal_fd),
        signals_(channel, options.stop),
        input_(channel, options.stdin_fd),
        output_(channel, Stream::kOutput, options.stdout_fd),
        errors_(channel, Stream::kError, options.stderr_fd) {}

  ExecResult run() {
    while (true) {
      channel_.pump();
      input_.forward();
      output_.fetch();
      errors_.fetch();
      signals_.tidy();
      if (output_.nobody_reads()) return {.exit_code = 0, .signal = SIGPIPE};
      if (channel_.ended() && output_.idle() && errors_.idle()) return channel_.result();
      wait();
    }
  }

 private:
  void wait() {
    // Once all is said, only the outputs are waited for: the dead connection would always be readable.
    pollfd link = channel_.link().poll_entry();
    if (channel_.ended()) link.fd = -1;
    std::array<pollfd, 5> entries{link, input_.poll_entry(), output_.poll_entry(), errors_.poll_entry(),
                                  pollfd{signal_fd_, POLLIN, 0}};
    poller_.wait(entries, channel_.has_news() ? deadline_.sooner({}) : deadline_);
    input_.fetch(entries[1].revents);
    output_.deliver(entries[2].revents);
    errors_.deliver(entries[3].revents);
    if (entries[4].revents != 0) pass_signals();
  }

  void pass_signals() {
    std::array<unsigned char, 64> numbers;
    const ssize_t got = ::read(signal_fd_, numbers.data(), numbers.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) signal_fd_ = -1;
    for (ssize_t i = 0; i < got; ++i) {
      const int number = numbers[static_cast<size_t>(i)];
      if (number != 0)
        signals_.send(number);
      else if (options_.tty)
        resize();
    }
  }

  void resize();

  Channel& channel_;
  const ExecOptions& options_;
  Deadline deadline_;
  Poller poller_;
  int signal_fd_;
  SignalSender signals_;
  Inlet input_;
  Outlet output_;
  Outlet errors_;
};

struct WindowSize {
  int columns = 80;
  int rows = 24;
};

WindowSize window_size(const ExecOptions& options) {
  for (const int fd : {options.stdin_fd, options.stdout_fd, options.stderr_fd}) {
    winsize size{};
    if (fd >= 0 && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
      return {size.ws_col, size.ws_row};
  }
  return {};
}

void Relay::resize() {
  const auto size = window_size(options_);
  channel_.resize(size.columns, size.rows);
}

// The terminal's kind is the caller's to know: it stands in the environment that the caller passes.
std::string terminal_kind(const ExecOptions& options) {
  for (const auto& [name, value] : options.environment)
    if (name == "TERM") return value;
  return "xterm";
}

}  // namespace

ExecResult Session::exec(const ExecOptions& options) {
  const std::string command = command_line(options, impl_->address.user);
  // The server answers these at once, whatever the command does afterwards.
  const auto start = Deadline::after(options.connect_timeout, options.stop);
  Channel channel(impl_->link, start);
  if (options.tty) {
    const auto size = window_size(options);
    channel.request_terminal(terminal_kind(options), size.columns, size.rows, start);
  }
  channel.execute(command, start);
  if (options.on_started) options.on_started();
  return Relay(channel, options).run();
}

}  // namespace knaller::guest
