/* Loaded into QEMU 7.2 (LD_PRELOAD) when a VM is restored. QEMU opens the file behind guest memory read-write even for a private
 * mapping (file_ram_open() in softmmu/physmem.c; `readonly=on` would make guest memory read-only until 8.2), but a snapshot's
 * memory file is 0400, perhaps on a read-only mount, and shared with other VMs. A private mapping needs no write access to its
 * file, so this one path is opened read-only, whatever was asked for. QEMU then cannot write to the file or punch holes into it. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("default"))) int open64(const char *path, int flags, ...);

int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & (O_CREAT | __O_TMPFILE)) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  const char *memory = getenv("KNALLER_PRIVATE_MEMORY");
  if (memory != NULL && strcmp(memory, path) == 0) flags = (flags & ~(O_ACCMODE | O_CREAT | O_TRUNC)) | O_RDONLY;
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
