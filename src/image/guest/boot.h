// The initramfs's /init: modules, root file system, network, key, host name, and on to the guest's own init.
//
// It is a static program and not a shell script because each program that a script starts costs 10–20 ms
// under emulation. When something fails that a boot needs, it says so on the console ("knaller: cannot …")
// and ends, which panics the kernel: the engine ends and the manager shows that line. Anything else that
// fails is reported there, too, and the boot goes on.
#ifndef KNALLER_IMAGE_GUEST_BOOT_H_
#define KNALLER_IMAGE_GUEST_BOOT_H_

namespace knaller::guest_helper {

[[noreturn]] void boot();

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_BOOT_H_
