// Unix sockets whose paths may be longer than sun_path's 107 bytes and whose directory a hostile engine may
// write to, and TCP connections with a deadline.
#ifndef KNALLER_BASE_SOCKET_H_
#define KNALLER_BASE_SOCKET_H_

#include <cstdint>
#include <string>

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller {

// Binds and listens on `name` in `dir`; a left-over socket file of that name is removed first (hold the VM's
// lock). Mode 0600.
UniqueFd listen_unix(int dir, const std::string& name, int backlog = 16);
// Connects to the socket `name` below `dir`. Follows no link: opens it O_PATH with
// RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH, checks that it is a socket, and connects to that descriptor.
// kNotFound: no such socket; kEngineDied: nobody listens.
UniqueFd connect_unix(int dir, const std::string& name, const Deadline& deadline);

// Connects to a numeric IPv4 address. Throws kIo when refused.
UniqueFd connect_tcp(const std::string& address, uint16_t port, const Deadline& deadline);
// The same on a socket that is there already and does not block; it still doesn't.
void connect_tcp_socket(int fd, const std::string& address, uint16_t port, const Deadline& deadline);

// Reads one line (without its newline) of at most `limit` bytes; `buffer` keeps what came after it for the
// next call. False at a clean end of file. Throws kTimeout, kCancelled, kIo; a line that is too long is
// kInvalidArgument.
bool read_line(int fd, std::string& buffer, std::string& line, size_t limit, const Deadline& deadline,
               std::string_view what);
// Writes all of it to a socket, with a deadline; a peer that went away is kIo.
void send_all(int fd, std::string_view data, const Deadline& deadline, std::string_view what);
// The same for what is to be answered. A peer that has answered already, perhaps with a refusal, or has hung
// up, is no failure yet: what it left is to be read next. Anybody else still waits for the request, and would
// be waited for in vain.
void send_request(int fd, std::string_view data, const Deadline& deadline, std::string_view what);

}  // namespace knaller

#endif  // KNALLER_BASE_SOCKET_H_
