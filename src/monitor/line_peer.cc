#include "monitor/line_peer.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/error.h"
#include "base/fd_passing.h"
#include "base/json.h"

namespace knaller::monitor {

LinePeer::LinePeer(Loop& loop, UniqueFd socket, Limits limits,
                   std::function<void(const std::string&)> on_line, std::function<void()> on_end)
    : socket_(std::move(socket)), limits_(limits), on_line_(std::move(on_line)), on_end_(std::move(on_end)) {
  watch_ = loop.watch(socket_.get(), POLLIN, [this](short events) { on_event(events); });
}

LinePeer::~LinePeer() {
  *alive_ = false;
}

bool LinePeer::has_hung_up() const {
  if (ended_) return true;
  pollfd peer = {socket_.get(), POLLRDHUP, 0};
  return ::poll(&peer, 1, 0) > 0;
}

void LinePeer::on_event(short events) {
  const auto alive = alive_;
  if (events & POLLOUT) flush();
  if (*alive && !ended_ && (events & (POLLIN | POLLHUP | POLLERR))) receive();
}

void LinePeer::receive() {
  char chunk[4096];
  const ssize_t got = ::recv(socket_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return end();
  received_.append(chunk, static_cast<size_t>(got));
  const auto alive = alive_;
  for (size_t newline; (newline = received_.find('\n')) != std::string::npos;) {
    const std::string line = received_.substr(0, newline);
    received_.erase(0, newline + 1);
    on_line_(line);
    if (!*alive || ended_) return;
  }
  if (received_.size() > limits_.line) end();
}

void LinePeer::send(const Json& message) {
  if (ended_) return;
  unsent_ += dump_json(message);
  unsent_ += '\n';
  flush();
}

void LinePeer::send_with_fds(const Json& message, std::span<const int> fds) {
  if (ended_) return;
  const std::string line = dump_json(message) + "\n";
  if (!unsent_.empty() || !try_send_with_fds(socket_.get(), line, fds))
    fail(Code::kBusy, "what was said before has not been read yet");
}

void LinePeer::send_if_room(const Json& message) {
  if (unsent_.size() < limits_.unsent / 2) send(message);
}

void LinePeer::flush() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) give_up();
    if (sent < 0) break;
    unsent_.erase(0, static_cast<size_t>(sent));
  }
  if (unsent_.size() > limits_.unsent) give_up();
  watch_.change_events(unsent_.empty() ? POLLIN : POLLIN | POLLOUT);
}

// A peer that will not get its message must not wait for it. Both sides see the end of file; ours is dealt
// with outside of any caller of send().
void LinePeer::give_up() {
  unsent_.clear();
  ::shutdown(socket_.get(), SHUT_RDWR);
}

void LinePeer::end() {
  if (ended_) return;
  ended_ = true;
  watch_.reset();
  on_end_();
}

}  // namespace knaller::monitor
