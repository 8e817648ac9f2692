// Leaving the disks as an orderly end should: written, and marked clean, so that the private disk can be read
// without replaying its journal.
#ifndef KNALLER_IMAGE_GUEST_DISKS_H_
#define KNALLER_IMAGE_GUEST_DISKS_H_

namespace knaller::guest_helper {

// The SSH host key, which hosts remember as soon as the guest is ready: a guest that is ended at once must
// have the same one when it boots again.
void settle_host_key();

// Call it when nothing writes any more. What can't be done is left: the journal is there for that.
void close_disks();

// After close_disks(): the console line "knaller: poweroff", then a reboot, which is how a guest ends on
// Firecracker.
[[noreturn]] void power_off();

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_DISKS_H_
