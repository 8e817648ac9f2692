#include "net/udp_sources.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <sstream>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::net {
namespace {

constexpr int kBlock = 256;  // the claim's port, and those for the guest

// Below are the well-known services, and what people choose for their own first.
constexpr int kPreferredFrom = 16384;
constexpr int kLowest = 4096;

std::pair<int, int> ephemeral_range() {
  int first = 32768;
  int last = 60999;
  std::istringstream(read_file("/proc/sys/net/ipv4/ip_local_port_range")) >> first >> last;
  return {first, last};
}

// "  0: 0100007F:1F90 …", with a longer address in udp6.
void add_ports(const std::string& table, std::vector<uint16_t>& ports) {
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    unsigned port = 0;
    if (std::sscanf(line.c_str(), " %*d: %*[0-9A-F]:%4x", &port) == 1)
      ports.push_back(static_cast<uint16_t>(port));
  }
}

std::vector<uint16_t> bound_ports() {
  std::vector<uint16_t> ports;
  for (const char* table : {"/proc/net/udp", "/proc/net/udp6"})
    if (exists(table)) add_ports(read_file(table, 64 << 20), ports);
  return ports;
}

UniqueFd bind_exclusively(uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) fail_errno("make a socket");
  const int little = 1;  // for what nobody will read
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return socket;
  if (errno != EADDRINUSE && errno != EACCES) fail_errno("bind UDP port {}", port);
  return {};
}

size_t random_below(size_t count) {
  const std::string bytes = random_bytes(2);
  return (size_t{static_cast<unsigned char>(bytes[0])} << 8 | static_cast<unsigned char>(bytes[1])) % count;
}

std::vector<uint16_t> blocks_between(int low, int high, std::pair<int, int> ephemeral) {
  std::vector<uint16_t> blocks;
  for (int first = low; first + kBlock <= high; first += kBlock)
    if (first + kBlock - 1 < ephemeral.first || first > ephemeral.second)
      blocks.push_back(static_cast<uint16_t>(first));
  return blocks;
}

}  // namespace

std::vector<uint16_t> free_blocks(std::pair<int, int> ephemeral, const std::vector<uint16_t>& bound) {
  std::vector<uint16_t> blocks = blocks_between(kPreferredFrom, 65536, ephemeral);
  const std::vector<uint16_t> more = blocks_between(kLowest, kPreferredFrom, ephemeral);
  blocks.insert(blocks.end(), more.begin(), more.end());
  // A host that hands out everything leaves no choice.
  if (blocks.empty()) blocks = blocks_between(kPreferredFrom, 65536, {0, 0});
  std::erase_if(blocks, [&bound](int first) {
    return std::any_of(bound.begin(), bound.end(),
                       [first](int port) { return port >= first && port < first + kBlock; });
  });
  return blocks;
}

UdpSources UdpSources::claim() {
  const std::pair<int, int> ephemeral = ephemeral_range();
  const std::vector<uint16_t> blocks = free_blocks(ephemeral, bound_ports());
  UdpSources sources;
  uint16_t taken = 0;
  // From the first half, so that VMs that start at the same time rarely meet; the other half when it is full.
  const size_t begin = blocks.empty() ? 0 : random_below((blocks.size() + 1) / 2);
  for (size_t i = 0; i < blocks.size() && !sources.claim_; ++i) {
    taken = blocks[(begin + i) % blocks.size()];
    sources.claim_ = bind_exclusively(taken);
  }
  if (!sources.claim_) {
    const std::vector<uint16_t> all = free_blocks(ephemeral, {});
    taken = all[random_below(all.size())];
  }
  sources.first_ = static_cast<uint16_t>(taken + 1);
  sources.last_ = static_cast<uint16_t>(taken + kBlock - 1);
  return sources;
}

}  // namespace knaller::net
