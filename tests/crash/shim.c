/* Preloaded into a program, it makes calls that move bytes do what the manual allows and hardly any kernel does: move fewer, or end
 * with EINTR before any. Calls that wait may end with EINTR, too. KNALLER_SHIM_SEED chooses which. Calls of 16 bytes or less are left
 * alone: an eventfd is never read by half. So are those of messages (sendmsg, recvmsg): netlink's are never short.
 * Static programs, and what libc calls inside itself, are not affected. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic uint64_t state;

/* splitmix64 */
static uint64_t next(void) {
  uint64_t unset = 0;
  const char* seed = getenv("KNALLER_SHIM_SEED");
  atomic_compare_exchange_strong(&state, &unset, (seed ? strtoull(seed, NULL, 10) : 1) * 0x9E3779B97F4A7C15u + 1);
  uint64_t z = atomic_fetch_add(&state, 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* How many bytes are asked for; 0 for EINTR. */
static size_t shortened(size_t count) {
  if (count <= 16) return count;
  const uint64_t random = next();
  if (random % 8 == 0) return 0;
  if (random % 8 < 4) return count;
  const size_t some = 1 + (random >> 8) % (count - 1);
  /* Files of /proc give whole records. */
  return count % 8 == 0 ? (some + 7) / 8 * 8 : some;
}

#define SHORT(result, name, types, values)                  \
  result name types {                                       \
    static result(*real) types;                             \
    if (!real) real = (result(*) types)dlsym(RTLD_NEXT, #name); \
    const size_t wanted = count;                            \
    count = shortened(count);                               \
    if (wanted != 0 && count == 0) {                        \
      errno = EINTR;                                        \
      return -1;                                            \
    }                                                       \
    return real values;                                     \
  }

SHORT(ssize_t, read, (int fd, void* data, size_t count), (fd, data, count))
SHORT(ssize_t, write, (int fd, const void* data, size_t count), (fd, data, count))
SHORT(ssize_t, pread, (int fd, void* data, size_t count, off_t at), (fd, data, count, at))
SHORT(ssize_t, pwrite, (int fd, const void* data, size_t count, off_t at), (fd, data, count, at))
SHORT(ssize_t, pread64, (int fd, void* data, size_t count, off64_t at), (fd, data, count, at))
SHORT(ssize_t, pwrite64, (int fd, const void* data, size_t count, off64_t at), (fd, data, count, at))
SHORT(ssize_t, send, (int fd, const void* data, size_t count, int flags), (fd, data, count, flags))
SHORT(ssize_t, recv, (int fd, void* data, size_t count, int flags), (fd, data, count, flags))
SHORT(ssize_t, copy_file_range, (int in, off64_t* from, int out, off64_t* to, size_t count, unsigned flags),
      (in, from, out, to, count, flags))
SHORT(ssize_t, sendfile, (int out, int in, off_t* from, size_t count), (out, in, from, count))
SHORT(ssize_t, sendfile64, (int out, int in, off64_t* from, size_t count), (out, in, from, count))

/* Only a call that waits can be interrupted. */
#define INTERRUPTED(name, types, values, waits)       \
  int name types {                                    \
    static int(*real) types;                          \
    if (!real) real = (int(*) types)dlsym(RTLD_NEXT, #name); \
    if ((waits) && next() % 8 == 0) {                 \
      errno = EINTR;                                  \
      return -1;                                      \
    }                                                 \
    return real values;                               \
  }

INTERRUPTED(poll, (struct pollfd* polled, nfds_t count, int timeout), (polled, count, timeout), timeout != 0)
INTERRUPTED(waitid, (idtype_t type, id_t id, siginfo_t* info, int options), (type, id, info, options), !(options & WNOHANG))
INTERRUPTED(accept4, (int fd, struct sockaddr* peer, socklen_t* size, int flags), (fd, peer, size, flags), 1)
