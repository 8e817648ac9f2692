#include "guest/link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <new>

#include "base/error.h"
#include "base/text.h"

namespace knaller::guest {
namespace {

// A server may ask its client for channels and the like. Without this, libssh keeps every such request for
// ever.
int refuse_request(ssh_session, ssh_message, void*) {
  return 1;
}

void make_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) fail_errno("make a socket non-blocking");
}

}  // namespace

Link::Link(UniqueFd socket, std::string where)
    : where_(std::move(where)), socket_(socket.duplicate()), session_(libssh().ssh_new()) {
  if (!session_) throw std::bad_alloc();
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  libssh().ssh_set_blocking(session_.get(), 0);
  // Nothing of the user's or the machine's SSH configuration has a say here.
  set(SSH_OPTIONS_PROCESS_CONFIG, 0);
  set(SSH_OPTIONS_SSH_DIR, "/dev/null");
  set(SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
  set(SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
  set(SSH_OPTIONS_COMPRESSION, "no");
  libssh().ssh_set_message_callback(session_.get(), refuse_request, nullptr);
  set(SSH_OPTIONS_FD, socket.get());
  socket.release();
}

void Link::set(enum ssh_options_e option, const std::string& value) {
  if (libssh().ssh_options_set(session_.get(), option, value.c_str()) != SSH_OK)
    fail(Code::kInternal, "libssh refused an option: {}", error_text());
}

void Link::set(enum ssh_options_e option, int value) {
  if (option == SSH_OPTIONS_PROCESS_CONFIG) {
    const bool flag = value != 0;
    libssh().ssh_options_set(session_.get(), option, &flag);
    return;
  }
  if (libssh().ssh_options_set(session_.get(), option, &value) != SSH_OK)
    fail(Code::kInternal, "libssh refused an option: {}", error_text());
}

void Link::wait(const Deadline& deadline, std::string_view what) {
  // libssh 0.10 makes the socket blocking once it is connected; a long send would then wait for the peer.
  make_nonblocking(socket_.get());
  const pollfd entry = poll_entry();
  poll_until(entry.fd, entry.events, deadline);
  // Whatever poll saw: a peer that never stops sending must not outrun the deadline.
  if (deadline.expired()) fail(Code::kTimeout, "timed out waiting for {} ({})", what, where_);
}

void Link::pump() {
  if (!event_) {
    event_.reset(libssh().ssh_event_new());
    if (!event_ || libssh().ssh_event_add_session(event_.get(), session_.get()) != SSH_OK)
      throw std::bad_alloc();
    make_nonblocking(socket_.get());
  }
  if (alive()) libssh().ssh_event_dopoll(event_.get(), 0);
}

pollfd Link::poll_entry() const {
  return {socket_.get(), static_cast<short>(has_unsent() ? POLLIN | POLLOUT : POLLIN), 0};
}

bool Link::has_unsent() const {
  return (libssh().ssh_get_poll_flags(session_.get()) & SSH_WRITE_PENDING) != 0;
}

std::string Link::error_text() const {
  return printable(libssh().ssh_get_error(session_.get()));
}

void Link::fail_with(std::string_view what) const {
  const std::string reason = error_text();
  fail(Code::kIo, "{} ({}): {}", what, where_, reason.empty() ? "the connection was closed" : reason);
}

}  // namespace knaller::guest
