#include "agent/session.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "agent/guest_files.h"

namespace knaller::agent {
namespace {

using channel::Channel;
using channel::Kind;

constexpr size_t kReadAtOnce = 32 << 10;
// Of a program whose output nobody waits for, there is always room: others get their turn, too.
constexpr int kMostReads = 8;

void close_and_forget(Loop& loop, int* fd) {
  if (*fd < 0) return;
  loop.forget(*fd);
  close(*fd);
  *fd = -1;
}

bool make_pipe(int* read_end, int* write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  *read_end = ends[0];
  *write_end = ends[1];
  return true;
}

void make_nonblocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

winsize to_winsize(const channel::WindowSize& size) {
  winsize window{};
  window.ws_row = size.rows;
  window.ws_col = size.columns;
  return window;
}

}  // namespace

Session::Session(Loop& loop, channel::ExecRequest request, std::function<void()> on_change)
    : loop_(loop), request_(std::move(request)), on_change_(std::move(on_change)) {}

Session::~Session() {
  close_input();
  close_output(output_);
  close_output(error_);
}

void Session::start(const Guest& guest) {
  Program program{.arguments = request_.arguments,
                  .environment = request_.environment,
                  .account = {},
                  .directory = request_.directory,
                  .has_terminal = request_.terminal.has_value(),
                  .own = request_.own};
  if (program.own) program.arguments.insert(program.arguments.begin(), "knaller-guest");
  std::string missing;
  StartFailure failure;
  if (!read_account(guest, request_.user, request_.group, &program.account, &missing)) {
    fail(ENOENT, "there is no " + missing);
  } else if (!(request_.terminal ? open_terminal(&program) : open_pipes(&program))) {
    fail(errno, "make its input and output");
  } else {
    started_at_ = static_cast<uint64_t>(std::max<time_t>(time(nullptr), 0));
    pid_ = group_ = start_program(guest, program, &failure);
    if (pid_ < 0) fail(failure.error, failure.what);
  }
  for (const int fd : program.descriptors)
    if (fd >= 0) close(fd);
  if (pid_ >= 0) watch_all();
}

bool Session::open_pipes(Program* program) {
  return make_pipe(&program->descriptors[0], &input_) && make_pipe(&output_.fd, &program->descriptors[1]) &&
         make_pipe(&error_.fd, &program->descriptors[2]);
}

// Its two directions are two descriptors of ours, so that each can be closed and watched by itself.
bool Session::open_terminal(Program* program) {
  const winsize window = to_winsize(*request_.terminal);
  int ours = -1, theirs = -1;
  if (openpty(&ours, &theirs, nullptr, nullptr, &window) != 0) return false;
  fcntl(ours, F_SETFD, FD_CLOEXEC);
  output_.fd = ours;
  input_ = fcntl(ours, F_DUPFD_CLOEXEC, 3);
  error_.flow.finish();
  program->descriptors[0] = fcntl(theirs, F_DUPFD_CLOEXEC, 3);
  program->descriptors[1] = fcntl(theirs, F_DUPFD_CLOEXEC, 3);
  program->descriptors[2] = theirs;
  return input_ >= 0 && program->descriptors[0] >= 0 && program->descriptors[1] >= 0;
}

void Session::watch_all() {
  make_nonblocking(input_);
  for (Output* output : {&output_, &error_}) {
    if (output->fd < 0) continue;
    make_nonblocking(output->fd);
    loop_.watch(output->fd, EPOLLIN, [this, output](uint32_t) { read_from(*output); });
  }
  loop_.watch(input_, 0, [this](uint32_t) { write_input(); });
}

void Session::fail(int error, const std::string& what) {
  close_input();
  close_output(output_);
  close_output(error_);
  end_.emplace();
  end_->error = error;
  end_->reason = what;
}

bool Session::take_input(std::string_view bytes) {
  if (!input_flow_.received(bytes.size()) || input_ended_) return false;
  pending_.append(bytes);
  write_input();
  return true;
}

void Session::end_input() {
  input_ended_ = true;
  write_input();
}

void Session::write_input() {
  while (input_ >= 0 && !pending_.empty()) {
    const ssize_t done = write(input_, pending_.data(), pending_.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) return loop_.change(input_, EPOLLOUT);
    if (done < 0) close_input();  // nobody reads it any more
    if (done < 0) break;
    pending_.erase(0, static_cast<size_t>(done));
    input_flow_.used(static_cast<size_t>(done));
  }
  if (input_ < 0) {
    // What can't be delivered is used up, too: the other side need not keep it.
    input_flow_.used(pending_.size());
    pending_.clear();
  } else if (input_ended_) {
    close_input();
  } else {
    loop_.change(input_, 0);
  }
  if (input_flow_.is_due()) on_change_();
}

void Session::close_input() {
  close_and_forget(loop_, &input_);
}

void Session::close_output(Output& output) {
  close_and_forget(loop_, &output.fd);
  output.flow.finish();
}

void Session::read_from(Output& output) {
  for (int reads = 0; output.fd >= 0 && reads < kMostReads; ++reads) {
    char buffer[kReadAtOnce];
    if (alone_ && request_.detached && output.flow.room() == 0) output.flow.discard(sizeof buffer);
    const size_t room = std::min(output.flow.room(), sizeof buffer);
    if (room == 0) {
      loop_.change(output.fd, 0);
      break;
    }
    const ssize_t got = read(output.fd, buffer, room);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0) {
      output.flow.put({buffer, static_cast<size_t>(got)});
      continue;
    }
    // A program that has ended had written all of its own; its children may hold the other end for as long as
    // they like. A terminal that nobody has open any more is EIO.
    if (got == 0 || errno != EAGAIN || end_) close_output(output);
    break;
  }
  on_change_();
}

Session::Output* Session::output_of(Channel channel) {
  if (channel == Channel::kOutput) return &output_;
  if (channel == Channel::kError) return &error_;
  return nullptr;
}

bool Session::allow(Channel channel, uint64_t position) {
  Output* output = output_of(channel);
  if (output == nullptr || !output->flow.allow(position)) return false;
  if (output->fd >= 0 && output->flow.room() > 0) loop_.change(output->fd, EPOLLIN);
  return true;
}

void Session::take(const channel::Event& event) {
  if (event.signal) signal(*event.signal);
  if (event.window && request_.terminal && output_.fd >= 0) {
    const winsize window = to_winsize(*event.window);
    ioctl(output_.fd, TIOCSWINSZ, &window);
  }
}

bool Session::resume(const channel::AttachRequest& request) {
  if (request.anew) {
    output_begin_ = output_.flow.begin_anew();
    error_begin_ = error_.flow.begin_anew();
  } else if (!output_.flow.resume(request.output) || !error_.flow.resume(request.error)) {
    return false;
  }
  output_.end_told = error_.end_told = end_told_ = start_told_ = false;
  position_due_ = true;
  return true;
}

void Session::set_alone(bool alone) {
  alone_ = alone;
  for (Output* output : {&output_, &error_})
    if (alone && output->fd >= 0) loop_.change(output->fd, EPOLLIN);
}

channel::SessionEntry Session::entry() const {
  channel::SessionEntry entry{.session = id(),
                              .process = group_ > 0 ? static_cast<uint64_t>(group_) : 0,
                              .user = request_.user.empty() ? "root" : request_.user,
                              .started = started_at_,
                              .detached = request_.detached,
                              .terminal = request_.terminal.has_value(),
                              .arguments = {},
                              .exit_code = {},
                              .signal = {}};
  size_t room = channel::kMostListed;
  for (const std::string& argument : request_.arguments) {
    entry.arguments.push_back(argument.substr(0, room));
    room -= entry.arguments.back().size();
    if (room == 0) break;
  }
  if (end_) entry.exit_code = end_->exit_code;
  if (end_) entry.signal = end_->signal;
  return entry;
}

bool Session::fill_output(std::string& out, uint16_t stream, Channel channel, size_t most) {
  Output& output = *output_of(channel);
  const std::string_view bytes = output.flow.sendable(std::min(most, channel::kMostPayload));
  if (!bytes.empty()) {
    channel::append(out, {.kind = Kind::kData, .channel = channel, .stream = stream, .payload = bytes});
    output.flow.sent(bytes.size());
    return true;
  }
  if (!output.flow.is_at_end() || output.end_told) return false;
  channel::append(out, {.kind = Kind::kEnd, .channel = channel, .stream = stream, .payload = {}});
  output.end_told = true;
  return true;
}

bool Session::fill(std::string& out, uint16_t stream, size_t most) {
  const size_t end = out.size() + most;
  channel::Event event;
  if (!start_told_ && group_ >= 0) event.started = static_cast<uint64_t>(group_);
  // Whoever begins anew is told only of an input that is still read.
  if (position_due_ && (!output_begin_ || (input_ >= 0 && !input_ended_)))
    event.input_position = input_flow_.position();
  event.output_position = std::exchange(output_begin_, std::nullopt);
  event.error_position = std::exchange(error_begin_, std::nullopt);
  if (event.started || event.input_position || event.output_position)
    channel::append(
        out, {.kind = Kind::kEvent, .channel = Channel::kWhole, .stream = stream, .payload = encode(event)});
  start_told_ = true;
  if (event.input_position) channel::append_limit(out, stream, Channel::kInput, input_flow_);
  position_due_ = false;
  channel::append_limit_if_due(out, stream, Channel::kInput, input_flow_);
  for (const Channel channel : {Channel::kOutput, Channel::kError})
    while (out.size() < end && fill_output(out, stream, channel, end - out.size())) {
    }
  if (out.size() >= end) return true;
  if (end_ && !end_told_ && output_.end_told && error_.end_told) {
    channel::append(
        out, {.kind = Kind::kEnd, .channel = Channel::kWhole, .stream = stream, .payload = encode(*end_)});
    end_told_ = true;
  }
  return false;
}

void Session::on_exit(int status) {
  pid_ = -1;
  end_.emplace();
  if (WIFSIGNALED(status))
    end_->signal = WTERMSIG(status);
  else
    end_->exit_code = WEXITSTATUS(status);
  close_input();
  write_input();
  read_from(output_);
  read_from(error_);
}

void Session::signal(int number) const {
  if (pid_ > 0 && number > 0 && number < NSIG) kill(-group_, number);
}

}  // namespace knaller::agent
