#include "entry/exec.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "base/poller.h"
#include "base/text.h"
#include "entry/ending.h"
#include "entry/streams.h"
#include "entry/talk.h"

namespace knaller::entry {
namespace {

using channel::Channel;
using channel::Frame;
using channel::Kind;

std::optional<channel::WindowSize> window_of(const ExecOptions& options) {
  for (const int fd : {options.stdin_fd, options.stdout_fd, options.stderr_fd}) {
    winsize size{};
    if (fd >= 0 && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
      return channel::WindowSize{size.ws_row, size.ws_col};
  }
  return std::nullopt;
}

// The agent has them as C strings.
void check_no_nul(std::string_view text, std::string_view what) {
  if (text.find('\0') != std::string_view::npos)
    fail(Code::kInvalidArgument, "{} must not hold a NUL byte", what);
}

void check(const channel::ExecRequest& request) {
  for (const std::string& argument : request.arguments) check_no_nul(argument, "an argument");
  for (const std::string& variable : request.environment) {
    check_no_nul(variable, "an environment variable");
    if (variable.starts_with('=')) fail(Code::kInvalidArgument, "an environment variable must have a name");
  }
  check_no_nul(request.user, "the user's name");
  check_no_nul(request.directory, "the working directory");
}

channel::ExecRequest request_of(const ExecOptions& options) {
  channel::ExecRequest request{.session = random_bytes(16),
                               .arguments = options.argv,
                               .user = options.user,
                               .directory = options.working_directory};
  if (!options.shell_command.empty()) request.arguments = {"/bin/sh", "-c", options.shell_command};
  for (const auto& [name, value] : options.environment) request.environment.push_back(name + "=" + value);
  if (options.tty) request.terminal = window_of(options).value_or(channel::WindowSize{});
  check(request);
  return request;
}

class Relay {
 public:
  enum class Program { kNew, kOld };
  Relay(Link& link, const ExecOptions& options, Program program)
      : link_(link),
        options_(options),
        poller_(options.stop),
        signal_fd_(options.signal_fd),
        is_old_(program == Program::kOld),
        input_(link, options),
        output_(link, Channel::kOutput, options.stdout_fd),
        errors_(link, Channel::kError, options.stderr_fd) {}

  ExecResult run(const std::string& opening) {
    link_.open(kOnlyStream, opening);
    if (!is_old_ && options_.stdin_fd < 0) input_.end();
    const Deadline start = Deadline::after(options_.connect_timeout, options_.stop);
    while (true) {
      input_.forward();
      if (output_.nobody_reads()) return {.exit_code = 0, .signal = SIGPIPE};
      if (input_.was_left()) {
        link_.flush();
        return {.left = true};
      }
      if (is_over() && output_.idle() && errors_.idle()) return finish();
      wait(start);
    }
  }

 private:
  void wait(const Deadline& start) {
    Link::PollEntries link = link_.poll_entries();
    // Once all is said, only the outputs are waited for.
    if (is_over()) link[0].fd = link[1].fd = -1;
    std::array<pollfd, 6> entries{link[0],
                                  link[1],
                                  input_.poll_entry(started_),
                                  output_.poll_entry(),
                                  errors_.poll_entry(),
                                  pollfd{started_ ? signal_fd_ : -1, POLLIN, 0}};
    const bool answered = started_ || is_over();
    if (poller_.wait(entries, answered ? Deadline::never(options_.stop) : start) == 0)
      throw Error(Code::kTimeout, "the agent in the guest did not start the command in time");
    if (!is_over()) listen(std::span(entries).first<2>());
    input_.fetch(entries[2].revents);
    output_.deliver(entries[3].revents);
    errors_.deliver(entries[4].revents);
    if (entries[5].revents != 0) pass_signals();
  }

  bool is_over() const { return end_ || failure_; }

  // What was said before the link ended is delivered all the same.
  void listen(std::span<const pollfd, 2> polled) {
    try {
      link_.move(polled, [this](const Frame& frame) {
        take(frame);
        return true;
      });
    } catch (const Error&) {
      if (!link_.has_ended()) throw;
      if (!end_) failure_ = std::current_exception();
    }
  }

  void take(const Frame& frame) {
    if (frame.stream != kOnlyStream || end_) return;
    if (frame.kind == Kind::kEvent) take_event(frame.payload);
    if (frame.kind == Kind::kCredit && frame.channel == Channel::kInput) input_.allow(frame.payload);
    if (frame.kind == Kind::kEnd && frame.channel == Channel::kWhole) take_end(frame.payload);
    if (frame.kind != Kind::kData) return;
    if (frame.channel == Channel::kOutput) output_.take(frame.payload);
    if (frame.channel == Channel::kError) errors_.take(frame.payload);
  }

  void take_event(std::string_view payload) {
    channel::Event event;
    if (!channel::decode(payload, event)) fail_of_agent("says what means nothing");
    if (!event.started || started_) return;
    started_ = true;
    if (is_old_) {
      input_.begin_at(event.input_position);
      output_.begin_at(event.output_position.value_or(0));
      errors_.begin_at(event.error_position.value_or(0));
      if (options_.tty) tell({.window = window_of(options_)});
    }
    if (options_.on_started) options_.on_started();
  }

  void take_end(std::string_view payload) {
    if (!channel::decode(payload, end_.emplace())) fail_of_agent("says what means nothing");
    link_.send({.kind = Kind::kEnd, .channel = Channel::kWhole, .stream = kOnlyStream, .payload = payload});
    link_.flush();
  }

  ExecResult finish() const {
    if (!end_) std::rethrow_exception(failure_);
    const Ending ending = ending_of(*end_);
    if (!ending.why_not_run.empty() && options_.stderr_fd >= 0)
      write_all(options_.stderr_fd, fmt::format("knaller: cannot {}\n", ending.why_not_run), "why");
    return ending.result;
  }

  void pass_signals() {
    std::array<unsigned char, 64> numbers;
    const ssize_t got = ::read(signal_fd_, numbers.data(), numbers.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) signal_fd_ = -1;
    for (ssize_t i = 0; i < got; ++i) {
      const int number = numbers[static_cast<size_t>(i)];
      if (number != 0)
        tell({.signal = number});
      else if (options_.tty)
        tell({.window = window_of(options_)});
    }
  }

  void tell(const channel::Event& event) {
    link_.send(
        {.kind = Kind::kEvent, .channel = Channel::kWhole, .stream = kOnlyStream, .payload = encode(event)});
  }

  Link& link_;
  const ExecOptions& options_;
  Poller poller_;
  int signal_fd_;
  bool is_old_;
  Inlet input_;
  Outlet output_;
  Outlet errors_;
  bool started_ = false;
  std::optional<channel::End> end_;
  std::exception_ptr failure_;
};

}  // namespace

ExecResult exec(Link& link, const ExecOptions& options) {
  return Relay(link, options, Relay::Program::kNew).run(channel::encode(request_of(options)));
}

ExecResult attach(Link& link, const std::string& session, const ExecOptions& options) {
  return Relay(link, options, Relay::Program::kOld)
      .run(channel::encode(channel::AttachRequest{.session = session, .anew = true}));
}

std::string detach(Link& link, const ExecOptions& options) {
  channel::ExecRequest request = request_of(options);
  request.detached = true;
  link.open(kOnlyStream, channel::encode(request));
  if (!options.keep_input)
    link.send({.kind = Kind::kEnd, .channel = Channel::kInput, .stream = kOnlyStream, .payload = {}});
  bool started = false;
  talk(link, Deadline::after(options.connect_timeout, options.stop), [&](const Frame& frame) {
    channel::Event event;
    started =
        started || (frame.kind == Kind::kEvent && channel::decode(frame.payload, event) && event.started);
    return !started;
  });
  return request.session;
}

}  // namespace knaller::entry
