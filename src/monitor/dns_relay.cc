// Over UDP; dns_relay_tcp.cc has the rest.
#include "monitor/dns_relay.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/error.h"
#include "net/device.h"

namespace knaller::monitor {
namespace {

constexpr size_t kHeader = 12;
constexpr size_t kLongestQuery = 4096;
constexpr size_t kLongestAnswer = 65535;
constexpr size_t kMostQueries = 256;  // a descriptor each
constexpr int kBatch = 32;            // then others have their turn
// Resolvers ask again after 5 s, and then of their own accord.
constexpr std::chrono::milliseconds kBeforeNextServer{1500};
constexpr std::chrono::seconds kLastServer{8};

UniqueFd bound_socket(const std::string& address, int type) {
  UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) fail_errno("make a socket for name queries");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // The engine's own process gives the address to a device, a moment later.
  if (::setsockopt(socket.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on) != 0)
    fail_errno("prepare a socket for name queries");
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(53);
  name.sin_addr.s_addr = ::inet_addr(address.c_str());
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    fail_errno("listen for name queries at {}", address);
  if (type == SOCK_STREAM && ::listen(socket.get(), 16) != 0) fail_errno("listen for name queries");
  return socket;
}

bool is_answer_to(std::string_view query, std::string_view answer) {
  return answer.size() >= kHeader && answer.substr(0, 2) == query.substr(0, 2) && (answer[2] & 0x80) != 0;
}

}  // namespace

// In a namespace that has no address yet the kernel takes every address for a broadcast, and a socket that is
// bound to one answers from whatever its device has: the loopback device is up first.
std::vector<UniqueFd> listen_for_names(const net::VmNamespaces& namespaces, const std::string& address) {
  return namespaces.open_inside([&address] {
    net::RouteSocket netlink;
    net::set_up(netlink, "lo");
    std::vector<UniqueFd> sockets;
    sockets.push_back(bound_socket(address, SOCK_DGRAM));
    sockets.push_back(bound_socket(address, SOCK_STREAM));
    return sockets;
  });
}

std::string failed_answer(std::string query) {
  query[2] = static_cast<char>((query[2] & 0x79) | 0x80);  // a response; operation and recursion as asked for
  query[3] = static_cast<char>(0x82);                      // recursion is available, SERVFAIL
  return query;
}

UdpNames::UdpNames(Loop& loop, net::NameServers& servers, UniqueFd socket)
    : loop_(loop), servers_(servers), socket_(std::move(socket)) {
  watch_ = loop_.watch(socket_.get(), POLLIN, [this](short) { on_queries(); });
}

void UdpNames::on_queries() {
  char bytes[kLongestQuery + 1];
  for (int i = 0; i < kBatch; ++i) {
    sockaddr_in guest{};
    socklen_t size = sizeof guest;
    const ssize_t length =
        ::recvfrom(socket_.get(), bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&guest), &size);
    if (length < 0) return;  // no more, or an ICMP error about an answer
    const auto count = static_cast<size_t>(length);
    if (count >= kHeader && count <= kLongestQuery) add(std::string(bytes, count), guest);
  }
}

void UdpNames::add(std::string bytes, const sockaddr_in& guest) {
  while (queries_.size() >= kMostQueries) forget(queries_.begin()->first);
  const Id id = next_++;
  Query query;
  query.bytes = std::move(bytes);
  query.guest = guest;
  queries_.emplace(id, std::move(query));
  ask(id);
}

// The next server, from the one that answered last on; the last one gets more time.
void UdpNames::ask(Id id) {
  Query& query = queries_.at(id);
  const auto& servers = servers_.now();
  while (query.attempts < servers.size()) {
    const net::NameServer& server = servers[(preferred_ + query.attempts++) % servers.size()];
    hang_up(query);
    if (!send_to(query, server)) continue;
    query.watch = loop_.watch(query.upstream.get(), POLLIN, [this, id](short) { on_answer(id); });
    const bool last = query.attempts >= servers.size();
    query.timer = loop_.after(last ? Loop::Clock::duration(kLastServer) : kBeforeNextServer,
                              [this, id, last] { last ? forget(id) : ask(id); });
    return;
  }
  answer(query, failed_answer(query.bytes));
  forget(id);
}

// A socket, and so a port of the kernel's choice, for each query: an answer is hard to forge.
bool UdpNames::send_to(Query& query, const net::NameServer& server) {
  query.upstream.reset(::socket(server.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* name = reinterpret_cast<const sockaddr*>(&server.address);
  const bool sent = query.upstream && ::connect(query.upstream.get(), name, server.size) == 0 &&
                    ::send(query.upstream.get(), query.bytes.data(), query.bytes.size(), MSG_NOSIGNAL) >= 0;
  if (!sent) query.upstream.reset();
  return sent;
}

void UdpNames::on_answer(Id id) {
  Query& query = queries_.at(id);
  std::string bytes(kLongestAnswer, '\0');
  const ssize_t length = ::recv(query.upstream.get(), bytes.data(), bytes.size(), 0);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length < 0) return ask(id);  // nobody listens there
  bytes.resize(static_cast<size_t>(length));
  if (!is_answer_to(query.bytes, bytes)) return;
  if (const size_t count = servers_.now().size(); count > 0)
    preferred_ = (preferred_ + query.attempts - 1) % count;
  answer(query, bytes);
  forget(id);
}

// One that can't be sent is lost, as answers may be; the guest asks again.
void UdpNames::answer(const Query& query, std::string_view bytes) {
  ::sendto(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&query.guest), sizeof query.guest);
}

void UdpNames::hang_up(Query& query) {
  query.timer.reset();
  query.watch.reset();
  query.upstream.reset();
}

void UdpNames::forget(Id id) {
  hang_up(queries_.at(id));
  queries_.erase(id);
}

}  // namespace knaller::monitor
