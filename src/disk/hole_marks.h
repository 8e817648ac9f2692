/* What whoever makes a hole in a disk does for a copy by touched pages (touched_pages.h, ADR 103). In C, for
 * the library that is loaded into QEMU (qemu/shim_holes.c).
 *
 * The page cache holds what is written at once in units of up to 2 MiB (large folios: ext4 from Linux 6.16
 * on, XFS from 5.18 on). When a part of one becomes a hole while somebody else uses it, to write it back for
 * example, the kernel can't divide it; if it is clean, all of it is dropped (truncate_inode_partial_folio()).
 * With it goes what tells that the pages beside the hole were written. So they are read, after the hole was
 * made and before the guest hears of it: then they are in the page cache again. */
#ifndef KNALLER_DISK_HOLE_MARKS_H_
#define KNALLER_DISK_HOLE_MARKS_H_

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Of the disk's bytes, far behind its end: locked by whoever watches which pages are touched. */
#define KNALLER_WATCH_BYTE (INT64_C(1) << 62)
/* The largest unit of the page cache: MAX_PAGECACHE_ORDER pages of 4 KiB. Units begin at multiples of their
 * size. */
#define KNALLER_LARGEST_UNIT (INT64_C(2) << 20)

/* Who can't be asked may be watching. */
static inline int knaller_is_watched(int fd) {
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = KNALLER_WATCH_BYTE;
  lock.l_len = 1;
  return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* Reads it, and perhaps a little behind its end. */
static inline void knaller_touch(int fd, int64_t begin, int64_t end) {
  char bytes[32768];
  while (begin < end) {
    const ssize_t got = pread(fd, bytes, sizeof bytes, begin);
    if (got <= 0) return; /* the end of the disk, or a page that nobody can read, nor copy */
    begin += got;
  }
}

/* Of a hole that is there already. */
static inline void knaller_touch_beside_hole(int fd, int64_t offset, int64_t length) {
  const int64_t end = offset + length;
  if (!knaller_is_watched(fd)) return;
  /* What is read ahead would count as touched, too. */
  posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  knaller_touch(fd, offset - offset % KNALLER_LARGEST_UNIT, offset);
  if (end % KNALLER_LARGEST_UNIT != 0)
    knaller_touch(fd, end, end - end % KNALLER_LARGEST_UNIT + KNALLER_LARGEST_UNIT);
  posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
}

#endif /* KNALLER_DISK_HOLE_MARKS_H_ */
