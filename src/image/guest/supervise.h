// /sbin/init of the image `tiny`: /etc/init.d/rcS once, the SSH server for as long as the guest runs, orphans
// reaped, and an orderly end. SIGUSR1 (halt), SIGUSR2 (poweroff) and SIGTERM (reboot) are what busybox's
// commands of those names send; Ctrl+Alt+Del, by which the host asks, arrives as SIGINT: processes then get
// up to an hour to end, or until it comes again, which means that the host's patience is nearly over. Asked
// from inside the guest, they get 90 s.
//
// Not busybox's own init, since that one powers off by the power button, which Firecracker does not have:
// here halt and poweroff are a reboot behind the console line "knaller: poweroff".
#ifndef KNALLER_IMAGE_GUEST_SUPERVISE_H_
#define KNALLER_IMAGE_GUEST_SUPERVISE_H_

namespace knaller::guest_helper {

[[noreturn]] void supervise();

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_SUPERVISE_H_
