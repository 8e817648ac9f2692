// The system calls that QEMU itself may make: fewer than knaller-qemu, whose filter it inherits in a jail,
// and beside its own -sandbox, which denies a few.
#ifndef KNALLER_QEMU_CALL_LIST_H_
#define KNALLER_QEMU_CALL_LIST_H_

struct sock_fprog;

namespace knaller::qemu {

// For the child that becomes QEMU, to be installed last.
const sock_fprog& qemu_call_list();

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_CALL_LIST_H_
