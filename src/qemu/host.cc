#include "qemu/host.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace knaller::qemu {
namespace {

bool cpu_virtualises() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool vmx = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 5)) != 0;
  const bool svm = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 2)) != 0;
  return vmx || svm;
}

std::string tap_refusal(const std::string& name, std::string_view step) {
  return fmt::format("Open tap device failed: {}: {} (os error {}). Invalid TUN/TAP Backend provided by {}",
                     step, std::strerror(errno), errno, printable(name));
}

}  // namespace

bool is_kvm_usable() {
  const UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  return kvm && cpu_virtualises();
}

UniqueFd open_tap(const std::string& name, TapFrames frames) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    fail(Code::kInvalidArgument, "Open tap device failed: Invalid interface name: {}", printable(name));
  }
  UniqueFd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!tap) throw Error(Code::kPermission, tap_refusal(name, "Couldn't open /dev/net/tun"));
  ifreq request = {};
  std::copy(name.begin(), name.end(), request.ifr_name);
  const int header = frames == TapFrames::kWithHeader ? IFF_VNET_HDR : 0;
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | header);
  if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) {
    throw Error(errno == EBUSY ? Code::kBusy : Code::kPermission,
                tap_refusal(name, "Error while creating ifreq structure"));
  }
  // An earlier engine may have left the device with offloads, whose frames need the header.
  if (frames == TapFrames::kPlain && ::ioctl(tap.get(), TUNSETOFFLOAD, 0) != 0)
    throw Error(Code::kPermission, tap_refusal(name, "Error while setting the offload flags"));
  return tap;
}

std::string random_mac() {
  std::string bytes = random_bytes(6);
  bytes[0] = static_cast<char>((bytes[0] & 0xFE) | 0x02);
  const std::string digits = hex(bytes);
  std::string mac = digits.substr(0, 2);
  for (size_t i = 2; i < digits.size(); i += 2) mac += ":" + digits.substr(i, 2);
  return mac;
}

}  // namespace knaller::qemu
