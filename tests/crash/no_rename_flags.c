/* Preloaded into a program, it makes renameat2(2) know no flags, as NFS, FUSE and old ZFS do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  if (flags == 0) return renameat(from_dir, from, to_dir, to);
  errno = EINVAL;
  return -1;
}
