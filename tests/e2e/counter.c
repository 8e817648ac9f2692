/* Runs in a guest: counts in memory and, past the page cache, on the disk, as fast as it can.
 *
 * counter FILE: the number in memory stands behind a mark of 16 bytes that is nowhere else (it is put
 * together only here), and is one ahead of the number at the start of FILE while a write is under way,
 * otherwise the same. counter FILE N: number by number the next MiB of N is written, with the number at the
 * start of each of its blocks. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kBlock = 4096, kMiB = 1 << 20 };

struct memory {
  char mark[16];
  volatile uint64_t count;
};

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  const uint64_t places = argc == 3 ? strtoull(argv[2], NULL, 10) : 1;
  const size_t size = argc == 3 ? kMiB : kBlock;
  int file = open(argv[1], O_RDWR | O_CREAT | O_DIRECT, 0600);
  uint64_t* block = NULL;
  if (file < 0 || posix_memalign((void**)&block, kBlock, size) != 0) return 1;
  memset(block, 0, size);
  for (uint64_t place = 0; place < places; ++place)
    if (pwrite(file, block, size, (off_t)(place * size)) != (ssize_t)size) return 1;
  if (fsync(file) != 0) return 1;
  struct memory* memory = mmap(NULL, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  for (size_t i = 0; i < sizeof memory->mark; ++i) memory->mark[i] = (char)(0xa7 ^ (i * 37));
  puts("counting");
  fflush(stdout);
  for (;;) {
    memory->count = memory->count + 1;
    for (size_t at = 0; at < size; at += kBlock) block[at / sizeof *block] = memory->count;
    if (pwrite(file, block, size, (off_t)(memory->count % places * size)) != (ssize_t)size) return 1;
  }
}
