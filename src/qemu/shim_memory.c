/* Loaded into QEMU (LD_PRELOAD), for VMs that are restored. QEMU 7.2 opens the file behind guest memory read-write even for a private
 * mapping (file_ram_open() in softmmu/physmem.c; `readonly=on` would make guest memory read-only until 8.2), but a snapshot's
 * memory file is 0400, perhaps on a read-only mount, and shared with other VMs. A private mapping needs no write access to its
 * file, so this one path is opened read-only, whatever was asked for. QEMU then cannot write to the file or punch holes into it.
 *
 * Debian's QEMU is built with _FORTIFY_SOURCE, where open() with two arguments is __open64_2(); other builds use other names. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Not from <fcntl.h>: it would turn these definitions into macros and aliases of one another. */
#include <asm/fcntl.h>
#include <linux/fcntl.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int open(const char *path, int flags, ...);
EXPORTED int open64(const char *path, int flags, ...);
EXPORTED int __open_2(const char *path, int flags);
EXPORTED int __open64_2(const char *path, int flags);

static int open_file(const char *path, int flags, mode_t mode) {
  const char *memory = getenv("KNALLER_PRIVATE_MEMORY");
  if (memory != NULL && strcmp(memory, path) == 0) flags = (flags & ~(O_ACCMODE | O_CREAT | O_TRUNC)) | O_RDONLY;
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int takes_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = takes_mode(flags) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = takes_mode(flags) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_file(path, flags, mode);
}

int __open_2(const char *path, int flags) { return open_file(path, flags, 0); }

int __open64_2(const char *path, int flags) { return open_file(path, flags, 0); }
