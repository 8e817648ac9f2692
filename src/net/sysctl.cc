#include "net/sysctl.h"

#include <fcntl.h>

#include "base/file.h"

namespace knaller::net {

void set_sysctl(const std::string& name, std::string_view value) {
  const std::string path = "/proc/sys/net/" + name;
  write_all(open_at(AT_FDCWD, path, O_WRONLY).get(), value, path);
}

void disable_ipv6() {
  if (!exists("/proc/sys/net/ipv6")) return;
  set_sysctl("ipv6/conf/all/disable_ipv6", "1");
  set_sysctl("ipv6/conf/default/disable_ipv6", "1");
}

}  // namespace knaller::net
