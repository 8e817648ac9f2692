// run_program(): a child's three streams at once, so that neither side ever waits for the other.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

namespace knaller {
namespace {

constexpr size_t kErrTail = 16 << 10;
// What is still read of a stream after the program's end, if a grandchild keeps writing: more than a pipe
// holds.
constexpr size_t kMostAfterEnd = 2 << 20;

void set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) fail_errno("make a pipe non-blocking");
}

class ProgramRun {
 public:
  ProgramRun(SpawnOptions& options, std::string_view input, size_t output_limit)
      : name_(options.argv.empty() ? std::string() : options.argv[0]),
        input_(input),
        output_limit_(output_limit),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) fail_errno("make an epoll descriptor");
    UniqueFd child_stdin = open_input(options);
    UniqueFd child_stdout = open_output(options.stdout_fd, out_);
    UniqueFd child_stderr = open_output(options.stderr_fd, err_);
    child_ = spawn(options);
    watch(child_.pidfd(), EPOLLIN);
  }

  ProgramOutput run(const Deadline& deadline) {
    while (!ended_) {
      if (poll_until(epoll_.get(), POLLIN, deadline) == 0) {
        fail(Code::kTimeout, "timed out waiting for '{}' to end", name_);
      }
      handle_events();
    }
    // All that the program itself wrote is in the pipes by now. A grandchild may keep them open: that is not
    // waited for.
    drain(out_, kMostAfterEnd);
    drain(err_, kMostAfterEnd);
    const auto status = child_.wait(deadline);
    if (!status) fail(Code::kTimeout, "timed out waiting for '{}' to end", name_);
    if (err_.data.size() > kErrTail) err_.data.erase(0, err_.data.size() - kErrTail);
    return {*status, std::move(out_.data), std::move(err_.data)};
  }

 private:
  struct Stream {
    UniqueFd fd;
    std::string data;
  };

  void watch(int fd, uint32_t events) {
    epoll_event event = {};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) fail_errno("watch '{}'", name_);
  }

  UniqueFd open_input(SpawnOptions& options) {
    if (input_.empty()) return {};
    if (options.stdin_fd >= 0) fail(Code::kInternal, "both a descriptor and text as input for '{}'", name_);
    Pipe pipe = make_pipe();
    set_nonblocking(pipe.write_end.get());
    watch(pipe.write_end.get(), EPOLLOUT);
    stdin_ = std::move(pipe.write_end);
    options.stdin_fd = pipe.read_end.get();
    return std::move(pipe.read_end);
  }

  UniqueFd open_output(int& child_fd, Stream& stream) {
    if (child_fd >= 0) return {};
    Pipe pipe = make_pipe();
    set_nonblocking(pipe.read_end.get());
    watch(pipe.read_end.get(), EPOLLIN);
    stream.fd = std::move(pipe.read_end);
    child_fd = pipe.write_end.get();
    return std::move(pipe.write_end);
  }

  void handle_events() {
    epoll_event events[4];
    const int count = ::epoll_wait(epoll_.get(), events, 4, 0);
    if (count < 0 && errno != EINTR) fail_errno("wait for '{}'", name_);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == child_.pidfd()) ended_ = true;
      if (fd == stdin_.get()) feed();
      if (fd == out_.fd.get()) drain(out_, 1);
      if (fd == err_.fd.get()) drain(err_, 1);
    }
  }

  // A program that does not want all of its input is no error.
  void feed() {
    const ssize_t written = write_without_sigpipe(stdin_.get(), input_);
    if (written < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (written < 0 && errno != EPIPE) fail_errno("write to '{}'", name_);
    if (written > 0) input_.remove_prefix(static_cast<size_t>(written));
    if (written < 0 || input_.empty()) stdin_.reset();
  }

  // Reads at least `wanted` bytes or all that is there; closing the descriptor takes it out of the epoll set.
  void drain(Stream& stream, size_t wanted) {
    char buffer[65536];
    for (size_t total = 0; stream.fd && total < wanted;) {
      const ssize_t got = ::read(stream.fd.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got < 0) fail_errno("read from '{}'", name_);
      if (got == 0) stream.fd.reset();
      total += static_cast<size_t>(got);
      keep(stream, std::string_view(buffer, static_cast<size_t>(got)));
    }
  }

  void keep(Stream& stream, std::string_view data) {
    stream.data += data;
    if (&stream == &err_) {
      if (err_.data.size() > 8 * kErrTail) err_.data.erase(0, err_.data.size() - kErrTail);
    } else if (out_.data.size() > output_limit_) {
      fail(Code::kIo, "'{}' wrote more than {} bytes", name_, output_limit_);
    }
  }

  std::string name_;
  std::string_view input_;
  size_t output_limit_;
  UniqueFd epoll_;
  UniqueFd stdin_;
  Stream out_;
  Stream err_;
  Child child_;
  bool ended_ = false;
};

// The program's last words on one line.
std::string last_words(std::string_view err) {
  constexpr size_t kMost = 2048;
  err = trim(err);
  if (err.size() > kMost) err.remove_prefix(err.size() - kMost);
  std::string words;
  for (const std::string_view line : split(err, '\n')) {
    if (trim(line).empty()) continue;
    words += (words.empty() ? "" : "; ") + printable(trim(line));
  }
  return words;
}

}  // namespace

ProgramOutput run_program(SpawnOptions options, const Deadline& deadline, std::string_view input,
                          size_t output_limit) {
  return ProgramRun(options, input, output_limit).run(deadline);
}

std::string run_checked(SpawnOptions options, const Deadline& deadline, std::string_view input) {
  const std::string name = options.argv.empty() ? std::string() : options.argv[0];
  ProgramOutput output = run_program(std::move(options), deadline, input);
  if (output.status.success()) return std::move(output.out);
  const std::string words = last_words(output.err);
  fail(Code::kIo, "'{}' failed: {}{}{}", name, output.status.describe(), words.empty() ? "" : ": ", words);
}

}  // namespace knaller
