// What this host offers to a VM: hardware virtualisation and TAP devices.
#ifndef KNALLER_QEMU_HOST_H_
#define KNALLER_QEMU_HOST_H_

#include <string>

#include "base/fd.h"

namespace knaller::qemu {

// /dev/kvm opens read-write and the CPU shows vmx or svm. Some hosts have a /dev/kvm on which guests hang;
// those show neither. Asks the CPU itself: a jail's /proc has no cpuinfo.
bool is_kvm_usable();

// With the header that lets a guest leave checksums and segmentation to the host, as QEMU wants it; or the
// bare frames.
enum class TapFrames { kWithHeader, kPlain };

// Attaches to a TAP device (made if it does not exist and we may). Throws with Firecracker's words.
UniqueFd open_tap(const std::string& name, TapFrames frames = TapFrames::kWithHeader);

// "06:00:0a:ff:fe:02", random, locally administered.
std::string random_mac();

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_HOST_H_
