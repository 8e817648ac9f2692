#include "monitor/acceptor.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace knaller::monitor {
namespace {

constexpr std::chrono::milliseconds kAcceptRest{200};

}  // namespace

Acceptor::Acceptor(Loop& loop, int listener, std::function<void(UniqueFd)> on_connection)
    : loop_(loop), listener_(listener), on_connection_(std::move(on_connection)) {
  listen();
}

void Acceptor::close() {
  watch_.reset();
  rest_.reset();
}

void Acceptor::listen() {
  watch_ = loop_.watch(listener_, POLLIN, [this](short) { accept_one(); });
}

void Acceptor::accept_one() {
  UniqueFd socket(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) return on_connection_(std::move(socket));
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
  watch_.reset();
  rest_ = loop_.after(kAcceptRest, [this] { listen(); });
}

}  // namespace knaller::monitor
