// The initramfs's /init: modules, root file system, network, key, host name, and on to the guest's own init.
//
// It is a static program and not a shell script because each program that a script starts costs 10–20 ms
// under emulation. What it cannot do it says on the console ("knaller: cannot …") and ends, which panics the
// kernel: the engine ends and the manager shows that line.
#ifndef KNALLER_IMAGE_GUEST_BOOT_H_
#define KNALLER_IMAGE_GUEST_BOOT_H_

namespace knaller::guest_helper {

[[noreturn]] void boot();

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_BOOT_H_
