#include "net/tun.h"

#include <fcntl.h>

#include <cerrno>

#include "base/error.h"

namespace knaller::net {

UniqueFd open_tun() {
  UniqueFd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (tun) return tun;
  const int saved_errno = errno;
  const Error error = errno_error(saved_errno, "open /dev/net/tun");
  if (saved_errno == EACCES || saved_errno == EPERM)
    throw Error(Code::kPermission, error.message(), "allow it with: sudo chmod 0666 /dev/net/tun");
  // ENODEV and ENXIO: the node is there, the module is not.
  throw Error(Code::kUnsupported, error.message(),
              "the kernel's TUN/TAP driver is missing; load it with: sudo modprobe tun");
}

}  // namespace knaller::net
