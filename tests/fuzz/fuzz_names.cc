// The guest's name server between a guest and a name server that say anything. The first byte says what
// follows:
//
//   'r' a resolv.conf
//   'u' a conversation over UDP, 't' one over TCP: steps of who (a byte), length (a byte), and so many bytes
//       'g' the guest sends them             's' the server sends them
//       'a' the server answers with them, under the number of the query that came last (UDP)
//       'e' the guest says no more (TCP)     'x' the server hangs up (TCP)
//
// In a network namespace, since name servers are at port 53.
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <vector>

#include "base/file.h"
#include "monitor/dns_relay.h"
#include "net/device.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

constexpr uint32_t kServer = 0x7f000001;  // 127.0.0.1
constexpr uint32_t kRelay = 0x7f000002;
constexpr size_t kHeader = 12;
constexpr size_t kMostSteps = 48;
constexpr int kMostTurns = 4;  // of the loop, after each step

sockaddr_in at_port_53(uint32_t address) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(53);
  name.sin_addr.s_addr = htonl(address);
  return name;
}

UniqueFd make_socket(int type) {
  UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  fuzz::require(socket.get() >= 0, "no socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return socket;
}

UniqueFd bound(int type, uint32_t address) {
  UniqueFd socket = make_socket(type);
  const sockaddr_in name = at_port_53(address);
  const bool fine = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
                    (type == SOCK_DGRAM || ::listen(socket.get(), 4) == 0);
  fuzz::require(fine, "port 53 is not free");
  return socket;
}

// Closed by a reset: a million connections would use up the ports otherwise.
void reset_at_close(const UniqueFd& socket) {
  const linger now{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// A network of its own, with one name server.
class World {
 public:
  World() {
    const uid_t uid = ::geteuid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
      std::printf("skip: namespaces are refused here (error %d)\n", errno);
      std::exit(77);
    }
    write_all(open_at(AT_FDCWD, "/proc/self/uid_map", O_WRONLY).get(), fmt::format("0 {} 1", uid), "the map");
    net::RouteSocket netlink;
    net::set_up(netlink, "lo");
    udp_ = bound(SOCK_DGRAM, kServer);
    tcp_ = bound(SOCK_STREAM, kServer);
    const UniqueFd file(::mkstemp(path_.data()));
    write_all(file.get(), "nameserver 127.0.0.1\n", path_);
    servers_.emplace(path_);
    fuzz::require(servers_->now().size() == 1, "the name server is not found");
  }
  ~World() { ::unlink(path_.c_str()); }

  int udp() const { return udp_.get(); }
  int tcp() const { return tcp_.get(); }
  net::NameServers& servers() { return *servers_; }

 private:
  UniqueFd udp_;
  UniqueFd tcp_;
  std::string path_ = "/tmp/knaller-fuzz.XXXXXX";
  std::optional<net::NameServers> servers_;
};

World& world() {
  static World one;
  return one;
}

struct Step {
  char who;
  std::string_view bytes;
};

std::vector<Step> steps_of(std::string_view text) {
  std::vector<Step> steps;
  while (text.size() >= 2 && steps.size() < kMostSteps) {
    const char who = text[0];
    const size_t length = std::min<size_t>(static_cast<uint8_t>(text[1]), text.size() - 2);
    steps.push_back({who, text.substr(2, length)});
    text.remove_prefix(2 + length);
  }
  return steps;
}

// Loops run once, until they are stopped; an exception is what leaves one that goes on.
struct TurnIsOver {};

void turn(monitor::Loop& loop) {
  for (int i = 0; i < kMostTurns; ++i) {
    const monitor::Loop::Timer timer = loop.after(std::chrono::seconds(0), [] { throw TurnIsOver(); });
    try {
      loop.run();
    } catch (const TurnIsOver&) {
    }
  }
}

std::string receive(int socket, sockaddr_in* from = nullptr) {
  std::string bytes(65536, '\0');
  socklen_t size = sizeof(sockaddr_in);
  const ssize_t length = ::recvfrom(socket, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(from),
                                    from == nullptr ? nullptr : &size);
  bytes.resize(static_cast<size_t>(std::max<ssize_t>(length, 0)));
  return bytes;
}

// Whatever the server says, the guest hears answers only, and only of what it has asked.
void talk_over_udp(std::string_view text) {
  monitor::Loop loop;
  monitor::UdpNames relay(loop, world().servers(), bound(SOCK_DGRAM, kRelay));
  const UniqueFd guest = make_socket(SOCK_DGRAM);
  const sockaddr_in name = at_port_53(kRelay);
  fuzz::require(::connect(guest.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0,
                "no relay");
  std::set<std::string> asked;
  sockaddr_in asker{};
  std::string last(2, '\0');
  for (const Step& step : steps_of(text)) {
    std::string bytes(step.bytes);
    if (step.who == 'g') {
      if (bytes.size() >= kHeader) asked.insert(bytes.substr(0, 2));
      ::send(guest.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    if (step.who == 'a' && bytes.size() >= 2) bytes.replace(0, 2, last);
    if ((step.who == 's' || step.who == 'a') && asker.sin_port != 0)
      ::sendto(world().udp(), bytes.data(), bytes.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&asker),
               sizeof asker);
    turn(loop);
    for (std::string query; !(query = receive(world().udp(), &asker)).empty();) {
      fuzz::require(query.size() >= kHeader && asked.contains(query.substr(0, 2)), "a query of nobody's");
      last = query.substr(0, 2);
    }
    for (std::string answer; !(answer = receive(guest.get())).empty();) {
      fuzz::require(answer.size() >= kHeader && (answer[2] & 0x80) != 0, "that is not an answer");
      fuzz::require(asked.contains(answer.substr(0, 2)), "an answer to nothing");
    }
  }
  while (!receive(world().udp()).empty()) {
  }
}

// What was said and what was heard at the other end of the relay.
struct Heard {
  std::string said;
  std::string heard;
  void take(int socket) {
    for (std::string bytes; !(bytes = receive(socket)).empty();) heard += bytes;
    fuzz::require(said.starts_with(heard), "the relay says something else");
  }
};

void talk_over_tcp(std::string_view text) {
  monitor::Loop loop;
  monitor::TcpNames relay(loop, world().servers(), bound(SOCK_STREAM, kRelay));
  const UniqueFd guest = make_socket(SOCK_STREAM);
  reset_at_close(guest);
  const sockaddr_in name = at_port_53(kRelay);
  ::connect(guest.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  turn(loop);
  UniqueFd server(::accept4(world().tcp(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  fuzz::require(server.get() >= 0, "the relay has not come");
  reset_at_close(server);
  Heard to_server, to_guest;
  for (const Step& step : steps_of(text)) {
    const auto say = [&step](int socket, Heard& heard) {
      const ssize_t sent = ::send(socket, step.bytes.data(), step.bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) heard.said += step.bytes.substr(0, static_cast<size_t>(sent));
    };
    if (step.who == 'g') say(guest.get(), to_server);
    if (step.who == 's' && server) say(server.get(), to_guest);
    if (step.who == 'e') ::shutdown(guest.get(), SHUT_WR);
    if (step.who == 'x') server.reset();
    turn(loop);
    if (server) to_server.take(server.get());
    to_guest.take(guest.get());
  }
}

void read_servers(std::string_view text) {
  const auto servers = net::parse_name_servers(text);
  fuzz::require(servers.size() <= 3, "too many name servers");
  for (const auto& server : servers)
    fuzz::require(server.size > 0 && server.size <= sizeof server.address, "an address of no size");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  world();  // first of all: what is bound before is bound on the host
  const std::string_view text = fuzz::text_of(data, size).substr(1);
  if (data[0] == 'r') read_servers(text);
  if (data[0] == 'u') talk_over_udp(text);
  if (data[0] == 't') talk_over_tcp(text);
  return 0;
}
