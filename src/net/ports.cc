#include "net/ports.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <vector>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::net {
namespace {

// The address of a line of /proc/net/tcp or tcp6, as it is printed there: words of four bytes as they lie in
// memory. Of IPv6 what IPv4 meets, too: [::], which takes all of IPv4 (0), and IPv4 addresses written as
// IPv6.
std::optional<in_addr_t> ipv4_part(std::string_view hex_digits) {
  constexpr std::string_view kMapped = "0000000000000000FFFF0000";
  const std::string_view above = hex_digits.substr(0, hex_digits.size() - 8);
  const std::string_view last = hex_digits.substr(above.size());
  const bool any = hex_digits.find_first_not_of('0') == std::string_view::npos;
  if (!above.empty() && above != kMapped && !any) return std::nullopt;
  return static_cast<in_addr_t>(std::strtoul(std::string(last).c_str(), nullptr, 16));
}

// Inode numbers of the sockets that stand in the way of binding address:port, of the lines of /proc/net/tcp
// (tcp6, udp, udp6): "  0: 0100007F:1F90 00000000:0000 0A … inode …".
std::vector<uint64_t> holders_of(const std::string& table, in_addr address, uint16_t port,
                                 bool only_listening) {
  std::vector<uint64_t> inodes;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    char local[33] = "";
    unsigned local_port = 0;
    unsigned state = 0;
    unsigned long inode = 0;
    const int fields = std::sscanf(
        line.c_str(), " %*d: %32[0-9A-F]:%4x %*[0-9A-F]:%*4x %2x %*8x:%*8x %*2x:%*8x %*8x %*u %*u %lu", local,
        &local_port, &state, &inode);
    if (fields != 4 || local_port != port || (std::strlen(local) != 8 && std::strlen(local) != 32)) continue;
    if (only_listening && state != 0x0A) continue;
    const auto local_address = ipv4_part(local);
    if (!local_address) continue;
    if (*local_address != 0 && address.s_addr != 0 && *local_address != address.s_addr) continue;
    inodes.push_back(inode);
  }
  return inodes;
}

bool has_socket(int process, const std::vector<std::string>& links) {
  const UniqueFd descriptors(::openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptors) return false;  // another user's, or gone
  for (const auto& name : list_directory(descriptors.get())) {
    char link[64];
    const ssize_t length = ::readlinkat(descriptors.get(), name.c_str(), link, sizeof link);
    if (length <= 0) continue;
    const std::string_view target(link, static_cast<size_t>(length));
    if (std::find(links.begin(), links.end(), target) != links.end()) return true;
  }
  return false;
}

std::string process_with(const std::vector<std::string>& links) {
  std::string found;
  for_each_process([&](pid_t pid, int process) {
    if (!has_socket(process, links)) return true;
    const auto command = read_file_if_exists(process, "comm");
    found = fmt::format("{} (pid {})", command ? printable(trim(*command)) : "a process", pid);
    return false;
  });
  return found;
}

in_addr parse_address(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) {
    fail(Code::kInvalidArgument, "'{}' is not an IPv4 address", printable(text));
  }
  return address;
}

bool is_used(const Plan& plan, uint16_t number, Protocol protocol) {
  return std::any_of(plan.ports.begin(), plan.ports.end(), [&](const PortForward& port) {
    return port.host == number && port.protocol == protocol;
  });
}

Plan lease(Plan plan, Protocol protocol) {
  for (auto& port : plan.ports) {
    for (int tries = 0; port.host == 0 && port.protocol == protocol; ++tries) {
      if (tries == 100) fail(Code::kExhausted, "no free port on {}", port.address);
      const uint16_t number = lease_port(port.address, protocol);
      if (!is_used(plan, number, protocol)) port.host = number;
    }
  }
  return plan;
}

uint16_t port_of(int socket, const std::string& address) {
  sockaddr_in name{};
  socklen_t size = sizeof name;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0)
    fail_errno("read the port that was given on {}", address);
  return ntohs(name.sin_port);
}

}  // namespace

uint16_t lease_port(const std::string& address, Protocol protocol) {
  const int type = protocol == Protocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
  const UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!socket) fail_errno("make a socket");
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr = parse_address(address);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0)
    fail_errno("bind a port of {}", address);
  return port_of(socket.get(), address);
}

Plan lease_ports(Plan asked) {
  return lease(lease(std::move(asked), Protocol::kUdp), Protocol::kTcp);
}

Plan lease_udp_ports(Plan asked) {
  return lease(std::move(asked), Protocol::kUdp);
}

std::string port_holder(const std::string& address, uint16_t port, Protocol protocol) {
  const bool tcp = protocol == Protocol::kTcp;
  const in_addr wanted = parse_address(address);
  std::vector<std::string> links;
  const std::string path = tcp ? "/proc/net/tcp" : "/proc/net/udp";
  for (const std::string& table_path : {path, path + "6"}) {
    // A host without IPv6 has no such table.
    const auto table = read_file_if_exists(AT_FDCWD, table_path, 64 << 20);
    for (const uint64_t inode : holders_of(table.value_or(""), wanted, port, tcp))
      links.push_back(fmt::format("socket:[{}]", inode));
  }
  return links.empty() ? std::string() : process_with(links);
}

namespace {

// An errno with the socket; 0: it has the address.
std::pair<UniqueFd, int> bind_port(const PortForward& port, int flags) {
  const int type = port.protocol == Protocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
  UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC | flags, 0));
  if (!socket) fail_errno("make a socket");
  // As pasta does: connections of an earlier listener that are still being closed are no obstacle.
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port.host);
  if (::inet_pton(AF_INET, port.address.c_str(), &name.sin_addr) != 1)
    fail(Code::kInvalidArgument, "'{}' is not an IPv4 address", printable(port.address));
  const bool bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  return {std::move(socket), bound ? 0 : errno};
}

}  // namespace

int bind_error(const PortForward& port) {
  return bind_port(port, 0).second;
}

UniqueFd listen_on(PortForward& port) {
  constexpr int kBacklog = 128;
  auto [socket, error] = bind_port(port, SOCK_NONBLOCK);
  if (error == 0 && ::listen(socket.get(), kBacklog) != 0) error = errno;
  if (error != 0) throw port_refused(port, error);
  port.host = port_of(socket.get(), port.address);
  return std::move(socket);
}

Error port_refused(const PortForward& port, int error) {
  const std::string what = fmt::format("host port {}:{}", port.address, port.host);
  switch (error) {
    case EACCES:
      return Error(Code::kPermission,
                   fmt::format("{} can't be opened: ports that low are for root alone", what),
                   fmt::format("use one from 1024 on, or let users have it: sudo sysctl "
                               "net.ipv4.ip_unprivileged_port_start={}",
                               port.host));
    case EADDRNOTAVAIL:
      return Error(Code::kInvalidArgument, what + " can't be opened: the host has no such address",
                   "`ip address` shows the host's addresses; 0.0.0.0 stands for all of them");
    case EADDRINUSE:
    case 0:
      break;
    default:
      return errno_error(error, "bind " + what);
  }
  const std::string holder = port_holder(port.address, port.host, port.protocol);
  return Error(Code::kBusy,
               fmt::format("{} is held by {}", what, holder.empty() ? "another program" : holder),
               fmt::format("choose another port, or let knaller choose one: --port 0:{}", port.guest));
}

}  // namespace knaller::net
