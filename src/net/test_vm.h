// For tests of real networks: what stands for a VM (engine's namespace, and a guest with a network stack of
// the kernel's behind its TAP), services that answer, and clients that ask.
#ifndef KNALLER_NET_TEST_VM_H_
#define KNALLER_NET_TEST_VM_H_

#include <linux/capability.h>

#include <memory>
#include <optional>

#include "net/control_link.h"
#include "net/namespace.h"
#include "net/pasta.h"
#include "net/ports.h"
#include "net/test_link.h"
#include "net/udp_sources.h"

namespace knaller::net {

inline sockaddr_in socket_name(const std::string& address, uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = ::inet_addr(address.c_str());
  return name;
}

// Listens in a namespace (none: in this one) and greets whoever comes with "hello PEER\n". Ends with this
// object.
class Service {
 public:
  Service(const Namespace* where, Protocol protocol, const std::string& address, uint16_t port) {
    Pipe ready = make_pipe();
    Pipe visits = make_pipe();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::_exit(finish("service", [&] {
        if (where != nullptr) where->enter();
        serve(protocol, socket_name(address, port), ready.write_end, visits.write_end.get());
      }));
    }
    ready.write_end.reset();
    const std::string line = read_to_end(ready.read_end.get(), 64, "the service");
    if (line.empty()) fail(Code::kInternal, "the service on {}:{} did not start", address, port);
    port_ = static_cast<uint16_t>(std::stoi(line));
    visits_ = std::move(visits.read_end);
  }
  ~Service() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  uint16_t port() const { return port_; }
  bool was_visited() const { return poll_until(visits_.get(), POLLIN, Deadline::after({})) != 0; }

 private:
  [[noreturn]] static void serve(Protocol protocol, sockaddr_in name, UniqueFd& ready, int visits) {
    const bool tcp = protocol == Protocol::kTcp;
    const UniqueFd socket(::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
    socklen_t size = sizeof name;
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) fail_errno("bind a service");
    if (tcp && ::listen(socket.get(), 16) != 0) fail_errno("listen");
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size);
    write_all(ready.get(), std::to_string(ntohs(name.sin_port)), "ready");
    ready.reset();
    for (;;) {
      sockaddr_in peer{};
      size = sizeof peer;
      char request[512];
      const UniqueFd connection(
          tcp ? ::accept4(socket.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC) : -1);
      // The request is read before the answer: closing with unread data would reset the connection.
      ::recvfrom(tcp ? connection.get() : socket.get(), request, sizeof request, 0,
                 tcp ? nullptr : reinterpret_cast<sockaddr*>(&peer), tcp ? nullptr : &size);
      write_all(visits, "x", "a visit");
      const std::string answer = fmt::format("hello {}\n", ::inet_ntoa(peer.sin_addr));
      ::sendto(tcp ? connection.get() : socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL,
               reinterpret_cast<sockaddr*>(&peer), tcp ? 0 : size);
    }
  }

  pid_t pid_ = -1;
  uint16_t port_ = 0;
  UniqueFd visits_;
};

// What a service at address:port answers, or why it does not.
inline std::string ask(Protocol protocol, const std::string& address, uint16_t port) {
  const bool tcp = protocol == Protocol::kTcp;
  const UniqueFd socket(::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  const timeval patience{10, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const sockaddr_in name = socket_name(address, port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    return ::strerror(errno);
  // Debian's pasta opens a connection to the guest only when the client speaks.
  if (::send(socket.get(), "hi", 2, MSG_NOSIGNAL) != 2) return ::strerror(errno);
  char answer[512];
  const ssize_t length = ::recv(socket.get(), answer, sizeof answer, 0);
  if (length < 0) return ::strerror(errno);
  return length == 0 ? "end of file" : std::string(answer, static_cast<size_t>(length));
}

inline void drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, none) != 0) fail_errno("drop all capabilities");
}

// The engine's namespaces, with the TAP attached by a process without capabilities, as an engine does it.
inline int set_up_engine(const Plan& plan, const HostNetwork& host) {
  set_up_namespace(plan, host, ::geteuid());
  set_up_control_link(::geteuid());
  drop_capabilities();
  return attach(plan.tap, IFF_TAP).release();
}

inline int set_up_guest(const Plan& plan) {
  UniqueFd card = attach("eth0", IFF_TAP);
  RouteSocket netlink;
  set_mac(netlink, "eth0", plan.guest_mac);
  set_up(netlink, "lo");
  add_address(netlink, "eth0", plan.guest_address, plan.prefix);
  set_up(netlink, "eth0");
  add_default_route(netlink, "eth0", plan.gateway);
  return card.release();
}

// A VM's network, complete: engine's namespace, guest, pasta. The host must have its `lo` up.
class TestVm {
 public:
  explicit TestVm(Plan asked) : TestVm(std::move(asked), inspect_host()) {}
  TestVm(Plan asked, HostNetwork host) : TestVm(lease_ports(std::move(asked)), UdpSources::claim(), host) {}

  const Plan plan;
  const UdpSources sources;
  const Namespace engine;
  const Namespace guest;

  // The raw end of the guest's network card: frames written here come from the guest.
  int tap() const { return engine.fd(); }
  void connect_guest() { cable_ = std::make_unique<Cable>(engine.fd(), guest.fd()); }
  // The raw end of the device that leads to the guest's agent.
  UniqueFd control_tap() const {
    std::vector<UniqueFd> taps = VmNamespaces::of(engine.pid()).open_inside([] {
      std::vector<UniqueFd> one;
      one.push_back(attach(kControlTap, IFF_TAP));
      return one;
    });
    return std::move(taps.front());
  }
  uint16_t host_port(size_t index) const { return plan.ports.at(index).host; }

  Pasta start_pasta() const {
    Pasta pasta = Pasta::start({.binary = {}, .plan = plan}, VmNamespaces::of(engine.pid()));
    pasta.wait_ready(Deadline::after(std::chrono::seconds(10)));
    return pasta;
  }

 private:
  TestVm(Plan leased, UdpSources claimed, HostNetwork host)
      : plan(with_sources(std::move(leased), claimed)),
        sources(std::move(claimed)),
        engine([this, &host] { return set_up_engine(plan, host); }),
        guest([this] { return set_up_guest(plan); }) {}

  static Plan with_sources(Plan plan, const UdpSources& sources) {
    plan.udp_first = sources.first();
    plan.udp_last = sources.last();
    return plan;
  }

  std::unique_ptr<Cable> cable_;
};

}  // namespace knaller::net

#endif  // KNALLER_NET_TEST_VM_H_
