// Devices and terminals.
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/tiocl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "probe.h"

namespace probe {
namespace {

// As the kernel takes it, for small numbers.
constexpr long device(long major_number, long minor_number) {
  return major_number << 8 | minor_number;
}

Outcome open_device(const Attempt& attempt) {
  return judge_open(open_path(attempt.text, O_RDONLY | O_NONBLOCK | O_NOCTTY), {ENOENT, ENOTDIR});
}

Outcome open_unneeded(const Attempt& attempt) {
  if (attempt.number != 0 ? options.network : options.kvm) return refused("it is needed here");
  return judge_open(open_path(attempt.text, O_RDWR), {ENOENT, ENOTDIR});
}

Outcome make_device(const Attempt& attempt) {
  const long result = syscall(SYS_mknodat, AT_FDCWD, attempt.text, S_IFCHR | 0600, attempt.number);
  const Outcome outcome = judge(result);
  if (result == 0) unlink(attempt.text);
  return outcome;
}

Outcome make_block_device(const Attempt& attempt) {
  const long result = syscall(SYS_mknod, attempt.text, S_IFBLK | 0600, attempt.number);
  const Outcome outcome = judge(result);
  if (result == 0) unlink(attempt.text);
  return outcome;
}

Outcome control_input(const Attempt& attempt) {
  char byte = '\n';
  return judge(ioctl(0, static_cast<unsigned long>(attempt.number), &byte));
}

Outcome control_output(const Attempt& attempt) {
  char byte = '\n';
  return judge(ioctl(1, static_cast<unsigned long>(attempt.number), &byte));
}

// The kernel takes the lower half.
Outcome control_by_wide_request(const Attempt& attempt) {
  char byte = '\n';
  return judge(syscall(SYS_ioctl, 1, 1L << 32 | attempt.number, &byte));
}

Outcome control_file(const Attempt& attempt) {
  const int fd = static_cast<int>(open_path("/vm/rootfs.ext4", O_RDWR));
  char data[64] = {};
  const Outcome outcome = judge(ioctl(fd, static_cast<unsigned long>(attempt.number), data));
  close(fd);
  return outcome;
}

constexpr Attempt kAttempts[] = {
    {"device-memory", open_device, 0, "/dev/mem"},
    {"device-kernel-log", open_device, 0, "/dev/kmsg"},
    {"device-ports", open_device, 0, "/dev/port"},
    {"device-fuse", open_device, 0, "/dev/fuse"},
    {"device-vhost-net", open_device, 0, "/dev/vhost-net"},
    {"device-vhost-vsock", open_device, 0, "/dev/vhost-vsock"},
    {"device-vsock", open_device, 0, "/dev/vsock"},
    {"device-vfio", open_device, 0, "/dev/vfio/vfio"},
    {"device-userfaultfd", open_device, 0, "/dev/userfaultfd"},
    {"device-loop", open_device, 0, "/dev/loop-control"},
    {"device-mapper", open_device, 0, "/dev/mapper/control"},
    {"device-disk-virtio", open_device, 0, "/dev/vda"},
    {"device-disk-scsi", open_device, 0, "/dev/sda"},
    {"device-terminal", open_device, 0, "/dev/tty"},
    {"device-console", open_device, 0, "/dev/console"},
    {"device-terminals", open_device, 0, "/dev/ptmx"},
    {"device-terminals-folder", open_device, 0, "/dev/pts"},
    {"device-shared-memory", open_device, 0, "/dev/shm"},
    {"device-input", open_device, 0, "/dev/uinput"},
    {"device-cpu", open_device, 0, "/dev/cpu/0/msr"},
    {"kvm-unneeded", open_unneeded, 0, "/dev/kvm"},
    {"tun-unneeded", open_unneeded, 1, "/dev/net/tun"},
    {"make-memory-device", make_device, device(1, 1), "/vm/mem"},
    {"make-console-device", make_device, device(5, 1), "/vm/console"},
    {"make-fuse-device", make_device, device(10, 229), "/vm/fuse"},
    {"make-null-device", make_device, device(1, 3), "/dev/evil"},
    {"make-disk-device", make_block_device, device(8, 0), "/vm/sda"},
    {"make-loop-device", make_block_device, device(7, 0), "/vm/loop0"},
    {"type-into-input", control_input, TIOCSTI},
    {"type-into-output", control_output, TIOCSTI},
    {"type-by-wide-request", control_by_wide_request, TIOCSTI},
    {"terminal-controlling", control_input, TIOCSCTTY},
    {"terminal-leave", control_input, TIOCNOTTY},
    {"terminal-console", control_output, TIOCCONS},
    {"terminal-paste", control_output, TIOCLINUX},
    {"freeze-file-system", control_file, static_cast<long>(FIFREEZE)},
    {"trim-file-system", control_file, static_cast<long>(FITRIM)},
    {"file-flags", control_file, static_cast<long>(FS_IOC_SETFLAGS)},
    {"file-project", control_file, static_cast<long>(FS_IOC_FSSETXATTR)},
    {"file-blocks", control_file, static_cast<long>(FIBMAP)},
};

}  // namespace

Attempts devices() {
  return kAttempts;
}

}  // namespace probe
