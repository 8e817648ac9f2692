// A client of Firecracker's API on a unix socket. Every call opens a connection of its own and has one
// absolute deadline.
//
// The peer is not trusted: answers are limited (16 KiB of header, 1 MiB of body) and whatever is not a proper
// answer is an Error: kEngineDied when the engine is gone or ends the connection early, kTimeout and
// kCancelled by the deadline, kEngineRefused for a refusal and for answers that are not HTTP or not the JSON
// they should be. Not thread-safe; cheap to make one per thread.
#ifndef KNALLER_FIRECRACKER_CLIENT_H_
#define KNALLER_FIRECRACKER_CLIENT_H_

#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/fd.h"
#include "firecracker/request.h"
#include "firecracker/version.h"

namespace knaller::firecracker {

struct Response {
  int status = 0;
  std::string body;
};

struct InstanceInfo {
  std::string id;
  std::string state;  // "Not started", "Running" or "Paused"
  Version version;
};

class Client {
 public:
  // `socket_name` below `dir` (a descriptor, which is duplicated, or AT_FDCWD). Connects nothing yet.
  Client(int dir, std::string socket_name);

  // Returns as soon as somebody listens. An engine that ends first (`engine_pidfd`; -1: not watched) is
  // kEngineDied.
  void wait_until_listening(const Deadline& deadline, int engine_pidfd = -1) const;

  // Whatever was answered, refusals included.
  Response send(const Request& request, const Deadline& deadline) const;
  // Anything but 2xx is kEngineRefused, with the engine's own words. Returns the body.
  std::string apply(const Request& request, const Deadline& deadline) const;

  InstanceInfo describe(const Deadline& deadline) const;

 private:
  UniqueFd dir_;
  std::string socket_name_;
};

// The engine's own words in the body of a refusal, made printable; "status 400 without a reason" when there
// are none.
std::string fault_message(const Response& response);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_CLIENT_H_
