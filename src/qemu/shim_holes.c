/* Loaded into QEMU (LD_PRELOAD). A guest that discards blocks, or writes zeros, has QEMU make holes in its disk, which can take the
 * trace of other writes out of the page cache; see disk/hole_marks.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "disk/hole_marks.h"

#define EXPORTED __attribute__((visibility("default")))

static int make_hole(int fd, int mode, int64_t offset, int64_t length) {
  const long result = syscall(SYS_fallocate, fd, mode, offset, length);
  const int error = errno;
  /* Also after a failure: it may have come half-way. */
  if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0) knaller_touch_beside_hole(fd, offset, length);
  errno = error;
  return (int)result;
}

EXPORTED int fallocate(int fd, int mode, off_t offset, off_t length) { return make_hole(fd, mode, offset, length); }

EXPORTED int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return make_hole(fd, mode, offset, length); }
