// The name servers of the host, as its resolv.conf has them at the moment.
#ifndef KNALLER_NET_NAME_SERVERS_H_
#define KNALLER_NET_NAME_SERVERS_H_

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace knaller::net {

struct NameServer {
  std::string text;  // as it is written there: "127.0.0.53", "fe80::1%eth0"
  sockaddr_storage address{};
  socklen_t size = 0;
};

// At most three, as for the C library's resolver; what is not an address is left out. Pure except for the
// indices of devices.
std::vector<NameServer> parse_name_servers(std::string_view resolv_conf);

class NameServers {
 public:
  explicit NameServers(std::string path = "/etc/resolv.conf") : path_(std::move(path)) {}

  // Costs a stat(2) unless the file has changed. None when there is no such file, or none in it: the C
  // library's resolver would then ask the host's loopback, where a guest has no business.
  const std::vector<NameServer>& now();

 private:
  std::string path_;
  std::string identity_;  // of the file that was read
  std::vector<NameServer> servers_;
};

}  // namespace knaller::net

#endif  // KNALLER_NET_NAME_SERVERS_H_
