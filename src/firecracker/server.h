// The HTTP server of knaller-qemu and of the fake engine. Speaks like Firecracker's (tried on 1.7 and 1.17):
// no reason phrases, always keep-alive, at most 10 connections, bodies of at most 51200 bytes, and the same
// answers to what is not a proper request.
//
// Single-threaded: everything runs inside serve(), one request at a time, in order of arrival. Clients are
// not trusted: a slow or silent one delays nobody else. An exception that leaves a handler or a watch leaves
// serve() too.
#ifndef KNALLER_FIRECRACKER_SERVER_H_
#define KNALLER_FIRECRACKER_SERVER_H_

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace knaller::firecracker {

struct HttpRequest {
  std::string method;  // GET, PUT, PATCH or DELETE; others are answered by the server
  std::string target;  // starts with a slash
  std::string body;
};

struct HttpResponse {
  int status = 204;
  std::string body;  // JSON; empty: no content
  // serve() returns once this answer is sent (or cannot be): for an engine that ends, as after a failed load.
  bool last = false;
  // Instead of all above: these very bytes. For fakes that misbehave.
  struct Raw {
    std::string bytes;
    bool close = true;  // false: the connection stays open, and silent
  };
  std::optional<Raw> raw = std::nullopt;
};

// The bytes that are sent for a response.
std::string render(const HttpResponse& response);
// 400 {"fault_message": message}
HttpResponse fault_response(const std::string& message);
// What Firecracker's HTTP layer says to a method that it does not know.
HttpResponse unknown_method_response();

// Something else to wait for between requests: `on_ready` runs when `fd` is readable or closed. False:
// serve() returns.
struct Watch {
  int fd = -1;
  std::function<bool()> on_ready;
};

using Handler = std::function<HttpResponse(const HttpRequest&)>;

// `listening_socket` -1: only the watches. Serves until `stop` is requested (from any thread), a watch says
// so, or a last answer was sent.
void serve(int listening_socket, const Handler& handler, const std::stop_token& stop = {},
           const std::vector<Watch>& watches = {});

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_SERVER_H_
