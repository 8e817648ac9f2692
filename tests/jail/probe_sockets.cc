// Sockets: every family, and the ways to the host's that there are in a network namespace.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "probe.h"

namespace probe {
namespace {

constexpr long kMctp = 45;

constexpr long of(long family, long type, long protocol = 0) {
  return family << 32 | type << 16 | protocol;
}

Outcome make_socket(const Attempt& attempt) {
  return judge_open(
      syscall(SYS_socket, attempt.number >> 32, attempt.number >> 16 & 0xFFFF, attempt.number & 0xFFFF));
}

Outcome make_pair(const Attempt& attempt) {
  int pair[2];
  return judge(syscall(SYS_socketpair, attempt.number, SOCK_STREAM, 0, pair));
}

Outcome make_wide_socket(const Attempt& attempt) {
  return judge_open(syscall(SYS_socket, 1L << 32 | attempt.number, SOCK_STREAM, 0));
}

// What the network of the VM would carry, were it the guest's.
Outcome connect_to(const Attempt& attempt) {
  const int fd = static_cast<int>(syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd < 0) return judge(fd);
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(attempt.number == 0 ? options.host_port : attempt.number));
  inet_pton(AF_INET, attempt.text, &name.sin_addr);
  const long result = connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name);
  const Outcome outcome = judge(result, {ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, ETIMEDOUT});
  close(fd);
  return outcome;
}

Outcome connect_unix(const sockaddr_un& name, size_t length) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return unprepared();
  const long result = connect(fd, reinterpret_cast<const sockaddr*>(&name),
                              static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  const Outcome outcome = judge(result, {ENOENT, ECONNREFUSED, ENOTDIR});
  close(fd);
  return outcome;
}

Outcome connect_abstract(const Attempt&) {
  sockaddr_un name = {AF_UNIX, {}};
  const int length =
      std::snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s", options.abstract_socket);
  return connect_unix(name, 1 + static_cast<size_t>(length));
}

Outcome connect_path(const Attempt& attempt) {
  sockaddr_un name = {AF_UNIX, {}};
  const char* path = *attempt.text == '\0' ? options.host_socket : attempt.text;
  const int length = std::snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
  return connect_unix(name, 1 + static_cast<size_t>(length));
}

// Devices can be asked for through any socket.
Outcome ask_device(const Attempt& attempt) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  const Outcome outcome = judge(ioctl(fd, static_cast<unsigned long>(attempt.number), &request));
  close(fd);
  return outcome;
}

// Absent, closed, another's, or busy: it gets no device.
Outcome attach_device(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path("/dev/net/tun", O_RDWR));
  if (fd < 0) return judge(fd, {ENOENT});
  ifreq request = {};
  request.ifr_flags = static_cast<short>(attempt.number);
  std::strcpy(request.ifr_name, attempt.text);
  const Outcome outcome = judge(ioctl(fd, TUNSETIFF, &request), {EBUSY, EINVAL});
  close(fd);
  return outcome;
}

Outcome take_network_namespace(const Attempt&) {
  const int fd = static_cast<int>(open_path("/dev/net/tun", O_RDWR));
  if (fd < 0) return judge(fd, {ENOENT});
  ifreq request = {};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  std::strcpy(request.ifr_name, "tap0");
  (void)ioctl(fd, TUNSETIFF, &request);  // without a network there is none
  const Outcome outcome = judge_open(ioctl(fd, TUNGETDEVNETNS), {EBADFD});
  close(fd);
  return outcome;
}

constexpr Attempt kAttempts[] = {
    {"socket-inet-stream", make_socket, of(AF_INET, SOCK_STREAM)},
    {"socket-inet-datagram", make_socket, of(AF_INET, SOCK_DGRAM)},
    {"socket-inet-raw", make_socket, of(AF_INET, SOCK_RAW, IPPROTO_RAW)},
    {"socket-inet-icmp", make_socket, of(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)},
    {"socket-inet-sctp", make_socket, of(AF_INET, SOCK_STREAM, IPPROTO_SCTP)},
    {"socket-inet-mptcp", make_socket, of(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)},
    {"socket-inet6-stream", make_socket, of(AF_INET6, SOCK_STREAM)},
    {"socket-inet6-raw", make_socket, of(AF_INET6, SOCK_RAW, IPPROTO_RAW)},
    {"socket-netlink-route", make_socket, of(AF_NETLINK, SOCK_RAW, 0)},
    {"socket-netlink-audit", make_socket, of(AF_NETLINK, SOCK_RAW, 9)},
    {"socket-netlink-netfilter", make_socket, of(AF_NETLINK, SOCK_RAW, 12)},
    {"socket-netlink-uevent", make_socket, of(AF_NETLINK, SOCK_RAW, 15)},
    {"socket-netlink-generic", make_socket, of(AF_NETLINK, SOCK_RAW, 16)},
    {"socket-packet", make_socket, of(AF_PACKET, SOCK_RAW, 0x0300)},
    {"socket-packet-cooked", make_socket, of(AF_PACKET, SOCK_DGRAM, 0x0300)},
    {"socket-vsock-stream", make_socket, of(AF_VSOCK, SOCK_STREAM)},
    {"socket-vsock-datagram", make_socket, of(AF_VSOCK, SOCK_DGRAM)},
    {"socket-crypto", make_socket, of(AF_ALG, SOCK_SEQPACKET)},
    {"socket-xdp", make_socket, of(AF_XDP, SOCK_RAW)},
    {"socket-key", make_socket, of(AF_KEY, SOCK_RAW, 2)},
    {"socket-rds", make_socket, of(AF_RDS, SOCK_SEQPACKET)},
    {"socket-tipc", make_socket, of(AF_TIPC, SOCK_SEQPACKET)},
    {"socket-bluetooth", make_socket, of(AF_BLUETOOTH, SOCK_RAW, 1)},
    {"socket-can", make_socket, of(AF_CAN, SOCK_RAW, 1)},
    {"socket-smc", make_socket, of(AF_SMC, SOCK_STREAM)},
    {"socket-kcm", make_socket, of(AF_KCM, SOCK_DGRAM)},
    {"socket-qualcomm", make_socket, of(AF_QIPCRTR, SOCK_DGRAM)},
    {"socket-infiniband", make_socket, of(AF_IB, SOCK_STREAM)},
    {"socket-llc", make_socket, of(AF_LLC, SOCK_STREAM)},
    {"socket-ppp", make_socket, of(AF_PPPOX, SOCK_STREAM)},
    {"socket-rxrpc", make_socket, of(AF_RXRPC, SOCK_DGRAM, AF_INET)},
    {"socket-nfc", make_socket, of(AF_NFC, SOCK_SEQPACKET)},
    {"socket-ieee802154", make_socket, of(AF_IEEE802154, SOCK_DGRAM)},
    {"socket-caif", make_socket, of(AF_CAIF, SOCK_SEQPACKET)},
    {"socket-phonet", make_socket, of(AF_PHONET, SOCK_DGRAM)},
    {"socket-ax25", make_socket, of(AF_AX25, SOCK_SEQPACKET)},
    {"socket-x25", make_socket, of(AF_X25, SOCK_SEQPACKET)},
    {"socket-rose", make_socket, of(AF_ROSE, SOCK_SEQPACKET)},
    {"socket-netrom", make_socket, of(AF_NETROM, SOCK_SEQPACKET)},
    {"socket-appletalk", make_socket, of(AF_APPLETALK, SOCK_DGRAM)},
    {"socket-atm", make_socket, of(AF_ATMPVC, SOCK_DGRAM)},
    {"socket-isdn", make_socket, of(AF_ISDN, SOCK_RAW)},
    {"socket-mctp", make_socket, of(kMctp, SOCK_DGRAM)},
    {"socket-by-wide-family", make_wide_socket, AF_INET},
    {"socket-by-wide-unix", make_wide_socket, AF_UNIX},
    {"socketpair-inet", make_pair, AF_INET},
    {"socketpair-tipc", make_pair, AF_TIPC},
    {"connect-host-loopback", connect_to, 0, "127.0.0.1"},
    {"connect-gateway", connect_to, 0, "10.255.254.1"},
    {"connect-pasta-gateway", connect_to, 0, "10.255.255.1"},
    {"connect-private-network", connect_to, 80, "192.168.0.1"},
    {"connect-metadata", connect_to, 80, "169.254.169.254"},
    {"connect-internet", connect_to, 443, "192.0.2.1"},
    {"connect-abstract-socket", connect_abstract},
    {"connect-host-socket", connect_path},
    {"connect-monitor-socket", connect_path, 0, "/vm/../monitor.sock"},
    {"connect-system-bus", connect_path, 0, "/run/dbus/system_bus_socket"},
    {"connect-system-log", connect_path, 0, "/dev/log"},
    {"device-flags-by-unix-socket", ask_device, SIOCGIFFLAGS},
    {"device-flags-set", ask_device, SIOCSIFFLAGS},
    {"device-namespace-by-socket", ask_device, 0x894C},  // SIOCGSKNS
    {"tap-new", attach_device, IFF_TAP | IFF_NO_PI, "evil0"},
    {"tun-new", attach_device, IFF_TUN | IFF_NO_PI, "evil1"},
    {"tap-of-pasta", attach_device, IFF_TAP | IFF_NO_PI, "pasta0"},
    {"tap-of-pasta-again", attach_device, IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE, "pasta0"},
    {"tap-namespace", take_network_namespace},
};

}  // namespace

Attempts sockets() {
  return kAttempts;
}

}  // namespace probe
