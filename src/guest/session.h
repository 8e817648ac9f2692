// A connection to a guest's SSH server: the host key pinned, knaller's key accepted, commands run one at a
// time.
//
// One thread at a time. Every wait ends with the deadline (kTimeout) or the stop token (kCancelled). A guest
// whose key is not the pinned one, or that refuses ours, is kPermission; a connection that breaks, or a peer
// that is not an SSH server, is kIo.
#ifndef KNALLER_GUEST_SESSION_H_
#define KNALLER_GUEST_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "knaller/manager.h"

namespace knaller::guest {

struct Address {
  std::string host = "127.0.0.1";  // a numeric IPv4 address
  uint16_t port = 0;
  std::string user = "root";
  std::string key_file;
  std::string known_hosts_file;
  std::string host_alias;  // the name under which known_hosts_file has the host key
};

struct CommandOutput {
  ExecResult result;
  std::string out;
  std::string err;  // the last 16 KiB
};

class Session {
 public:
  // Where known_hosts_file has no key for the alias (or is not there), the guest's is written into it;
  // otherwise it must match.
  static Session connect(const Address& address, const Deadline& deadline);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // "ssh-ed25519 AAAA…"
  const std::string& host_key() const;
  const std::string& user() const;

  // Runs a command with the caller's descriptors until it has ended; see ExecOptions. Only its stop token or
  // the end of the connection end it earlier. A command whose standard output nobody reads any more ends as
  // if by SIGPIPE.
  ExecResult exec(const ExecOptions& options);

  // Runs a command with `input` and collects what it writes, at most `output_limit` bytes (kIo beyond that).
  // Does not judge the exit status.
  CommandOutput run_command(const ExecOptions& options, std::string_view input, const Deadline& deadline,
                            size_t output_limit = 1 << 20);
  // The same for an argv; anything but exit status 0 is kIo with the command's own words. Returns its
  // standard output.
  std::string run(const std::vector<std::string>& argv, std::string_view input, const Deadline& deadline);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// "exit status 2: tar: no such file", for messages.
std::string describe_failure(const ExecResult& result, std::string_view error_output);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_SESSION_H_
