#include "firecracker/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <chrono>

#include "base/error.h"
#include "base/json.h"
#include "base/socket.h"
#include "base/text.h"

namespace knaller::firecracker {
namespace {

namespace http = boost::beast::http;

constexpr uint32_t kHeaderLimit = 16 << 10;
constexpr uint64_t kBodyLimit = 1 << 20;
constexpr size_t kShownLimit = 2000;
// inotify(7) tells when a socket is bound, nothing when it is listened to.
constexpr auto kConnectPause = std::chrono::milliseconds(1);

std::string render(const Request& request) {
  const std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n",
                                       request.method, request.path);
  if (request.body.empty()) return head + "\r\n";
  return fmt::format("{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", head,
                     request.body.size(), request.body);
}

[[noreturn]] void fail_ended(const Request& request) {
  fail(Code::kEngineDied, "the engine ended the connection before its answer to {} was complete",
       request.name());
}

// Reads one answer from an untrusted peer.
class AnswerReader {
 public:
  AnswerReader(int fd, const Request& request) : fd_(fd), request_(request) {
    parser_.header_limit(kHeaderLimit);
    parser_.body_limit(kBodyLimit);
    parser_.eager(true);
  }

  Response read(const Deadline& deadline) {
    const std::string what = fmt::format("the engine's answer to {}", request_.name());
    while (!parser_.is_done()) {
      deadline.check(what);
      wait_readable(fd_, deadline, what);
      receive();
    }
    const int status = static_cast<int>(parser_.get().result_int());
    if (status < 200 || status > 599)
      fail(Code::kEngineRefused, "the engine answered {} with the status {}, which means nothing",
           request_.name(), status);
    return {status, std::move(parser_.get().body())};
  }

 private:
  void receive() {
    char buffer[16 << 10];
    const ssize_t count = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0 && errno != ECONNRESET) fail_errno("read the engine's answer to {}", request_.name());
    boost::beast::error_code error;
    if (count > 0) {
      pending_.append(buffer, static_cast<size_t>(count));
      pending_.erase(0, parser_.put(boost::asio::buffer(pending_), error));
      if (error == http::error::need_more) return;
    } else {
      // Nothing at all, or half a header: put_eof() would call neither an error.
      if (parser_.is_header_done()) parser_.put_eof(error);
      if (error || !parser_.is_done()) fail_ended(request_);
    }
    if (error) fail_improper(error);
  }

  [[noreturn]] void fail_improper(const boost::beast::error_code& error) {
    if (error == http::error::header_limit || error == http::error::body_limit)
      fail(Code::kEngineRefused, "the engine's answer to {} is too large", request_.name());
    fail(Code::kEngineRefused, "the engine's answer to {} is not HTTP: {}", request_.name(), error.message());
  }

  int fd_;
  const Request& request_;
  http::response_parser<http::string_body> parser_;
  std::string pending_;
};

// Also at the end of the connection.
// Who talks to an engine asks only whether it is there: a socket that is gone and one that nobody serves mean
// the same.
UniqueFd connect(int dir, const std::string& socket_name, const Deadline& deadline) {
  try {
    return connect_unix(dir, socket_name, deadline);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound && error.code() != Code::kEngineDied) throw;
    fail(Code::kEngineDied, "the engine serves no API: {}", error.message());
  }
}

}  // namespace

Client::Client(int dir, std::string socket_name) : socket_name_(std::move(socket_name)) {
  dir_.reset(::fcntl(dir == AT_FDCWD ? -1 : dir, F_DUPFD_CLOEXEC, 0));
  if (!dir_ && dir != AT_FDCWD) fail_errno("keep the engine's directory open");
}

void Client::wait_until_listening(const Deadline& deadline, int engine_pidfd) const {
  const std::string what = fmt::format("the engine to serve its API on '{}'", printable(socket_name_));
  while (true) {
    try {
      connect(dir_ ? dir_.get() : AT_FDCWD, socket_name_, deadline);
      return;
    } catch (const Error& error) {
      if (error.code() != Code::kEngineDied) throw;
    }
    deadline.check(what);
    if (engine_pidfd < 0)
      pause_for(kConnectPause, deadline);
    else if (poll_until(engine_pidfd, POLLIN, deadline.sooner(kConnectPause)) != 0)
      fail(Code::kEngineDied, "the engine ended before it served its API");
  }
}

Response Client::send(const Request& request, const Deadline& deadline) const {
  const UniqueFd fd = connect(dir_ ? dir_.get() : AT_FDCWD, socket_name_, deadline);
  // It may refuse what it has not read to its end.
  send_request(fd.get(), render(request), deadline, "the engine");
  return AnswerReader(fd.get(), request).read(deadline);
}

std::string Client::apply(const Request& request, const Deadline& deadline) const {
  Response response = send(request, deadline);
  if (response.status < 200 || response.status > 299)
    fail(Code::kEngineRefused, "the engine refused {}: {}", request.name(), fault_message(response));
  return std::move(response.body);
}

InstanceInfo Client::describe(const Deadline& deadline) const {
  const Request request = describe_instance();
  const std::string body = apply(request, deadline);
  const Json json = parse_json(body, "the engine's answer to GET /", Code::kEngineRefused);
  const JsonReader reader(json, "the engine's answer to GET /", Code::kEngineRefused);
  InstanceInfo info{reader.string("id"), reader.string("state"), {}};
  if (info.state != "Not started" && info.state != "Running" && info.state != "Paused")
    fail(Code::kEngineRefused, "the engine calls its VM '{}', which is not a known state",
         printable(info.state));
  try {
    info.version = parse_version(reader.string("vmm_version"));
  } catch (const Error& error) {
    fail(Code::kEngineRefused, "the engine's answer to GET /: {}", error.message());
  }
  return info;
}

std::string fault_message(const Response& response) {
  try {
    const Json json = parse_json(response.body, "refusal");
    for (const char* key : {"fault_message", "error"})
      if (json.is_object() && json.contains(key) && json[key].is_string())
        return printable(json[key].get<std::string>().substr(0, kShownLimit));
  } catch (const Error&) {
    // Not JSON: what Firecracker's HTTP layer says about broken requests is none either.
  }
  if (trim(response.body).empty()) return fmt::format("status {} without a reason", response.status);
  return printable(trim(std::string_view(response.body).substr(0, kShownLimit)));
}

}  // namespace knaller::firecracker
