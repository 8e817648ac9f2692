// The device by which TAPs are made.
#ifndef KNALLER_NET_TUN_H_
#define KNALLER_NET_TUN_H_

#include "base/fd.h"

namespace knaller::net {

// /dev/net/tun. kPermission, or kUnsupported where the kernel's driver is missing; both with what to do.
UniqueFd open_tun();

}  // namespace knaller::net

#endif  // KNALLER_NET_TUN_H_
