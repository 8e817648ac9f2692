#include "image/guest/network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "image/guest/files.h"

namespace knaller::guest_helper {
namespace {

ifreq request_for(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

sockaddr as_sockaddr(in_addr address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = address;
  sockaddr result{};
  std::memcpy(&result, &in, sizeof(result));
  return result;
}

bool bring_up(int fd, const std::string& name) {
  ifreq request = request_for(name);
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return false;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_RUNNING);
  return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

bool is_ethernet(int fd, const std::string& name) {
  ifreq request = request_for(name);
  return ioctl(fd, SIOCGIFHWADDR, &request) == 0 && request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
}

// The first by name; empty when there is none.
std::string first_ethernet(int fd) {
  std::string first;
  DIR* directory = opendir("/sys/class/net");
  if (directory == nullptr) return first;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name[0] == '.' || !is_ethernet(fd, name)) continue;
    if (first.empty() || name < first) first = name;
  }
  closedir(directory);
  return first;
}

bool set_address(int fd, const std::string& name, const NetworkConfig& network) {
  ifreq request = request_for(name);
  request.ifr_addr = as_sockaddr(network.address);
  if (ioctl(fd, SIOCSIFADDR, &request) != 0) return false;
  request.ifr_netmask = as_sockaddr(network.netmask);
  return ioctl(fd, SIOCSIFNETMASK, &request) == 0;
}

bool add_default_route(int fd, const NetworkConfig& network) {
  rtentry route{};
  route.rt_dst = as_sockaddr(in_addr{});
  route.rt_genmask = as_sockaddr(in_addr{});
  route.rt_gateway = as_sockaddr(network.gateway);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  return ioctl(fd, SIOCADDRT, &route) == 0;
}

bool set_up(int fd, const NetworkConfig& network, std::string* failed) {
  *failed = "bring up the interface lo";
  if (!bring_up(fd, "lo")) return false;
  if (!network.present) return true;
  const std::string name = first_ethernet(fd);
  *failed = "find a network interface";
  if (name.empty()) return false;
  *failed = "set the address of " + name;
  if (!set_address(fd, name, network)) return false;
  *failed = "bring up the interface " + name;
  if (!bring_up(fd, name)) return false;
  *failed = "add the default route";
  return add_default_route(fd, network);
}

bool has_listener(const char* table, unsigned port) {
  std::string text;
  if (!read_file(table, &text)) return false;
  char wanted[8];
  std::snprintf(wanted, sizeof(wanted), ":%04X ", port);
  size_t at = text.find('\n');
  while (at != std::string::npos && at + 1 < text.size()) {
    const size_t end = text.find('\n', at + 1);
    const std::string line = text.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    at = end;
    // "  sl  local_address rem_address   st": the first colon ends sl, the second is the local port's; 0A is
    // LISTEN.
    const size_t local = line.find(wanted, line.find(':') + 1);
    if (local < 45 && line.find(" 0A ", local) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

bool set_up_network(const NetworkConfig& network, std::string* failed) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  *failed = "open a socket";
  if (fd < 0) return false;
  const bool done = set_up(fd, network, failed);
  close(fd);
  return done;
}

bool is_listening(unsigned port) {
  return has_listener("/proc/net/tcp", port) || has_listener("/proc/net/tcp6", port);
}

}  // namespace knaller::guest_helper
