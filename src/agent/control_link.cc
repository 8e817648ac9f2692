#include "agent/control_link.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ether.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "channel/link_plan.h"

namespace knaller::agent {
namespace {

constexpr int kBacklog = 256;
constexpr char kOwnNamespace[] = "/proc/self/ns/net";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// One request to the kernel's routing, with its attributes.
class RouteRequest {
 public:
  template <typename Header>
  RouteRequest(uint16_t type, uint16_t flags, const Header& header) {
    message_.nlmsg_type = type;
    message_.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    message_.nlmsg_len = NLMSG_LENGTH(sizeof header);
    std::memcpy(NLMSG_DATA(&message_), &header, sizeof header);
  }
  void add(uint16_t type, const void* data, size_t size) {
    auto* attribute = reinterpret_cast<rtattr*>(bytes_ + NLMSG_ALIGN(message_.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    std::memcpy(RTA_DATA(attribute), data, size);
    message_.nlmsg_len =
        static_cast<uint32_t>(NLMSG_ALIGN(message_.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
  }
  bool send() {
    const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (socket.get() < 0 || ::send(socket.get(), bytes_, message_.nlmsg_len, 0) < 0) return false;
    alignas(nlmsghdr) char answer[512];
    const ssize_t got = recv(socket.get(), answer, sizeof answer, 0);
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
    if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr))) || header->nlmsg_type != NLMSG_ERROR) {
      errno = EPROTO;
      return false;
    }
    errno = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
    return errno == 0;
  }

 private:
  union {
    nlmsghdr message_{};
    char bytes_[512];
  };
};

ether_addr mac_of(const char* text) {
  ether_addr mac{};
  ether_aton_r(text, &mac);
  return mac;
}

in_addr address_of(const char* text) {
  in_addr address{};
  inet_pton(AF_INET, text, &address);
  return address;
}

// 0: there is none of that MAC.
unsigned find_device() {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const ether_addr wanted = mac_of(channel::kGuestMac);
  unsigned found = 0;
  struct if_nameindex* const all = if_nameindex();
  for (const struct if_nameindex* one = all; one != nullptr && one->if_index != 0 && found == 0; ++one) {
    ifreq request{};
    std::strncpy(request.ifr_name, one->if_name, IFNAMSIZ - 1);
    if (ioctl(socket.get(), SIOCGIFHWADDR, &request) == 0 && request.ifr_hwaddr.sa_family == ARPHRD_ETHER &&
        std::memcmp(request.ifr_hwaddr.sa_data, &wanted, sizeof wanted) == 0)
      found = one->if_index;
  }
  if (all != nullptr) if_freenameindex(all);
  return found;
}

bool move_device(unsigned device, int to) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(device);
  RouteRequest request(RTM_NEWLINK, 0, header);
  request.add(IFLA_NET_NS_FD, &to, sizeof to);
  return request.send();
}

bool add_address(unsigned device) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = channel::kPrefix;
  header.ifa_index = device;
  const in_addr address = address_of(channel::kGuestAddress);
  RouteRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, header);
  request.add(IFA_LOCAL, &address, sizeof address);
  request.add(IFA_ADDRESS, &address, sizeof address);
  return request.send();
}

bool add_neighbour(unsigned device) {
  ndmsg header{};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = static_cast<int>(device);
  header.ndm_state = NUD_PERMANENT;
  const in_addr address = address_of(channel::kHostAddress);
  const ether_addr mac = mac_of(channel::kHostMac);
  RouteRequest request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header);
  request.add(NDA_DST, &address, sizeof address);
  request.add(NDA_LLADDR, &mac, sizeof mac);
  return request.send();
}

bool bring_up(unsigned device) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(device);
  header.ifi_flags = header.ifi_change = IFF_UP;
  return RouteRequest(RTM_NEWLINK, 0, header).send();
}

// Otherwise the kernel makes up an address, and tells others of it.
void disable_ipv6() {
  for (const char* name : {"all", "default"}) {
    const Descriptor file(open((std::string("/proc/sys/net/ipv6/conf/") + name + "/disable_ipv6").c_str(),
                               O_WRONLY | O_CLOEXEC));
    if (file.get() >= 0) (void)!write(file.get(), "1", 1);
  }
}

int listen_here() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = address_of(channel::kGuestAddress);
  address.sin_port = htons(channel::kPort);
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      listen(socket, kBacklog) == 0)
    return socket;
  const int error = errno;
  close(socket);
  errno = error;
  return -1;
}

// In the new namespace, with the device in it.
int set_up(std::string* failed) {
  const unsigned device = find_device();
  disable_ipv6();
  *failed = "set up the control link";
  if (device == 0 || !add_address(device) || !add_neighbour(device) || !bring_up(device)) return -1;
  *failed = "listen on the control link";
  return listen_here();
}

}  // namespace

bool has_control_link() {
  return find_device() != 0;
}

int listen_on_control_link(std::string* failed) {
  *failed = "find the control link";
  const unsigned device = find_device();
  if (device == 0) {
    errno = ENODEV;
    return -1;
  }
  *failed = "make a network namespace for the control link";
  const Descriptor guests(open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
  if (guests.get() < 0 || unshare(CLONE_NEWNET) != 0) return -1;
  const Descriptor own(open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
  setns(guests.get(), CLONE_NEWNET);
  *failed = "move the control link into its namespace";
  if (own.get() < 0 || !move_device(device, own.get())) return -1;
  setns(own.get(), CLONE_NEWNET);
  const int socket = set_up(failed);
  const int error = errno;
  setns(guests.get(), CLONE_NEWNET);
  errno = error;
  return socket;
}

}  // namespace knaller::agent
