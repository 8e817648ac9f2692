#include "firecracker/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <chrono>
#include <limits>
#include <list>

#include "base/deadline.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"

namespace knaller::firecracker {
namespace {

namespace http = boost::beast::http;

constexpr size_t kMostConnections = 10;
constexpr uint64_t kBodyLimit = 51200;
constexpr uint32_t kHeaderLimit = 16 << 10;
constexpr auto kLastAnswerTime = std::chrono::seconds(1);
// While there are no descriptors for new connections.
constexpr auto kAcceptRest = std::chrono::milliseconds(200);
// Firecracker's, to the byte.
constexpr std::string_view kFull =
    "HTTP/1.1 503\r\nServer: Firecracker API\r\nConnection: close\r\nContent-Length: 40\r\n\r\n"
    "{ \"error\": \"Too many open connections\" }";

using Parser = http::request_parser<http::string_body>;

std::string head(int status) {
  return fmt::format("HTTP/1.1 {} \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n", status);
}

// The newline inside the JSON string is Firecracker's.
HttpResponse protocol_error(const std::string& reason) {
  return {400,
          fmt::format("{{ \"error\": \"{}\nAll previous unanswered requests will be dropped.\" }}", reason)};
}

// "http://localhost/version" and "version" are what they would be without the rest.
std::string path_of(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    const size_t slash = target.find('/', kScheme.size());
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  return std::string(target);
}

class Connection {
 public:
  Connection(UniqueFd fd, const Handler& handler) : fd_(std::move(fd)), handler_(handler) { next_request(); }

  int fd() const { return fd_.get(); }
  // While an answer waits to be read by the client, nothing more is read from it.
  short events() const { return out_.empty() ? POLLIN : POLLOUT; }
  bool finished() const { return broken_ || (ended_ && out_.empty()); }
  bool last_answer_given() const { return last_; }

  void on_ready(short events) {
    if (out_.empty())
      receive();
    else
      flush();
    if ((events & (POLLERR | POLLNVAL)) != 0) broken_ = true;
    while (out_.empty() && !ended_ && step()) flush();
  }

  void flush_for(std::chrono::milliseconds time) {
    const Deadline deadline = Deadline::after(time);
    while (!out_.empty() && !broken_ && poll_until(fd(), POLLOUT, deadline) != 0) flush();
  }

 private:
  void next_request() {
    parser_.emplace();
    parser_->header_limit(kHeaderLimit);
    parser_->body_limit(kBodyLimit);
    parser_->eager(true);
    told_to_continue_ = false;
  }

  void receive() {
    char buffer[16 << 10];
    const ssize_t count = ::recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (count > 0)
      in_.append(buffer, static_cast<size_t>(count));
    else if (count == 0)
      ended_ = true;
    else if (errno != EAGAIN && errno != EINTR)
      broken_ = true;
    const size_t skipped = std::min<uint64_t>(skip_, in_.size());
    in_.erase(0, skipped);
    skip_ -= skipped;
    if (ended_) answer_what_is_left();
  }

  // A client that closed its sending side still gets the answers to what it sent.
  void answer_what_is_left() {
    ended_ = false;
    while (step()) flush_for(kLastAnswerTime);
    ended_ = true;
  }

  void flush() {
    while (!out_.empty()) {
      const ssize_t count = ::send(fd(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        if (errno != EAGAIN) broken_ = true;
        break;
      }
      out_.erase(0, static_cast<size_t>(count));
    }
    if (out_.empty() && close_when_sent_) broken_ = true;
  }

  // Takes as much of the input as makes one answer. False: more input is needed.
  bool step() {
    if (broken_ || close_when_sent_ || silent_ || in_.empty()) return false;
    boost::beast::error_code error;
    const size_t used = parser_->put(boost::asio::buffer(in_), error);
    if (error && error != http::error::need_more) return refuse(answer_to(error));
    in_.erase(0, used);
    if (parser_->is_header_done() && parser_->chunked()) return refuse(protocol_error("Invalid request."));
    if (!parser_->is_done()) return maybe_continue();
    answer_request();
    return true;
  }

  void answer_request() {
    const auto& message = parser_->get();
    const http::verb verb = message.method();
    HttpResponse response;
    if (verb == http::verb::get || verb == http::verb::put || verb == http::verb::patch ||
        verb == http::verb::delete_)
      response = handler_({std::string(message.method_string()), path_of(message.target()), message.body()});
    else
      response = unknown_method_response();
    out_ += render(response);
    last_ = last_ || response.last;
    close_when_sent_ = response.raw && response.raw->close;
    silent_ = response.raw && !response.raw->close;
    next_request();
  }

  bool maybe_continue() {
    if (!parser_->is_header_done() || told_to_continue_ ||
        parser_->get()[http::field::expect] != "100-continue")
      return false;
    told_to_continue_ = true;
    out_ += head(100) + "\r\n";
    return true;
  }

  HttpResponse answer_to(const boost::beast::error_code& error) {
    if (error == http::error::body_limit) {
      const auto& length = parser_->get()[http::field::content_length];
      const auto size = static_cast<uint64_t>(
          parse_integer({length.data(), length.size()}, 0, std::numeric_limits<int64_t>::max()).value_or(0));
      const size_t body_received = in_.size() - std::min(in_.size(), in_.find("\r\n\r\n") + 4);
      skip_ = size - std::min<uint64_t>(size, body_received);
      return protocol_error(
          fmt::format("Request payload with size {} is larger than the limit of {} allowed by server.", size,
                      kBodyLimit));
    }
    if (error == http::error::bad_version &&
        in_.substr(0, in_.find('\r')).find(" HTTP/") != std::string::npos)
      return protocol_error("Invalid HTTP Version: Unsupported HTTP version.");
    return protocol_error("Invalid request.");
  }

  // There is no telling where the next request would begin in what has been received: it is dropped.
  bool refuse(const HttpResponse& response) {
    in_.clear();
    out_ += render(response);
    next_request();
    return true;
  }

  UniqueFd fd_;
  const Handler& handler_;
  std::string in_;
  std::string out_;
  std::optional<Parser> parser_;
  uint64_t skip_ = 0;  // bytes of a refused body that are still to come
  bool told_to_continue_ = false;
  bool ended_ = false;
  bool broken_ = false;
  bool close_when_sent_ = false;
  bool silent_ = false;
  bool last_ = false;
};

class Server {
 public:
  Server(int listener, const Handler& handler, const std::vector<Watch>& watches)
      : listener_(listener),
        handler_(handler),
        watches_(watches),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_) fail_errno("make an eventfd");
    if (listener_ < 0) return;
    const int flags = ::fcntl(listener_, F_GETFL);
    if (flags < 0 || ::fcntl(listener_, F_SETFL, flags | O_NONBLOCK) < 0) fail_errno("set up the API socket");
  }

  void run(const std::stop_token& stop) {
    const std::stop_callback on_stop(stop, [this] { ::eventfd_write(wake_.get(), 1); });
    while (!stop.stop_requested()) {
      const std::vector<pollfd> ready = wait();
      if (stop.stop_requested() || !run_watches(ready) || !run_connections(ready)) return;
      if (ready[1].revents != 0) accept_one();
    }
  }

 private:
  // The eventfd, the listener, the watches, the connections: in this order.
  std::vector<pollfd> wait() {
    if (rest_ && rest_->expired()) rest_.reset();
    std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}, {rest_ ? -1 : listener_, POLLIN, 0}};
    for (const Watch& watch : watches_) polled.push_back({watch.fd, POLLIN, 0});
    for (const Connection& connection : connections_)
      polled.push_back({connection.fd(), connection.events(), 0});
    while (::poll(polled.data(), polled.size(), rest_ ? static_cast<int>(kAcceptRest.count()) : -1) < 0)
      if (errno != EINTR) fail_errno("wait for API requests");
    return polled;
  }

  bool run_watches(const std::vector<pollfd>& ready) {
    for (size_t i = 0; i < watches_.size(); ++i)
      if (ready[2 + i].revents != 0 && !watches_[i].on_ready()) return false;
    return true;
  }

  bool run_connections(const std::vector<pollfd>& ready) {
    size_t index = 2 + watches_.size();
    for (auto it = connections_.begin(); it != connections_.end(); ++index) {
      if (ready[index].revents != 0) it->on_ready(ready[index].revents);
      if (it->last_answer_given()) {
        it->flush_for(kLastAnswerTime);
        return false;
      }
      it = it->finished() ? connections_.erase(it) : std::next(it);
    }
    return true;
  }

  // One each round: between two of them the server sees which clients have gone and made room.
  void accept_one() {
    UniqueFd fd(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      // No descriptors or no memory: not worth the VM. What waits in the queue would wake poll(2) for ever.
      rest_ = Deadline::after(kAcceptRest);
      return;
    }
    if (!fd) return;
    if (connections_.size() < kMostConnections)
      connections_.emplace_back(std::move(fd), handler_);
    else  // so little fits into the buffer of a fresh connection
      (void)!::send(fd.get(), kFull.data(), kFull.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  int listener_;
  const Handler& handler_;
  const std::vector<Watch>& watches_;
  UniqueFd wake_;
  std::list<Connection> connections_;
  std::optional<Deadline> rest_;  // until then nobody is accepted
};

}  // namespace

std::string render(const HttpResponse& response) {
  if (response.raw) return response.raw->bytes;
  if (response.status == 204) return head(response.status) + "\r\n";
  return fmt::format("{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                     head(response.status), response.body.size(), response.body);
}

HttpResponse fault_response(const std::string& message) {
  return {400, dump_json(Json{{"fault_message", message}})};
}

HttpResponse unknown_method_response() {
  return protocol_error("Invalid HTTP Method: Unsupported HTTP method.");
}

void serve(int listening_socket, const Handler& handler, const std::stop_token& stop,
           const std::vector<Watch>& watches) {
  Server(listening_socket, handler, watches).run(stop);
}

}  // namespace knaller::firecracker
