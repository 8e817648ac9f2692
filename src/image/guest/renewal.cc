#include "image/guest/renewal.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "image/guest/settings.h"

namespace knaller::guest_helper {
namespace {

// The kernel's own generator only: programs that keep a generator of their own (few do) must reseed it
// themselves.
bool renew_entropy(const std::string& bytes) {
  // struct rand_pool_info, whose flexible last member C++ does not let stand on the stack.
  struct {
    int entropy_bits;
    int size;
    char bytes[512];
  } pool{};
  if (bytes.size() > sizeof(pool.bytes)) return errno = E2BIG, false;
  pool.entropy_bits = static_cast<int>(bytes.size() * 8);
  pool.size = static_cast<int>(bytes.size());
  std::memcpy(pool.bytes, bytes.data(), bytes.size());
  const int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  // Without the second call the generator goes on from the snapshot's key until its next reseed, up to a
  // minute later.
  const bool done = ioctl(fd, RNDADDENTROPY, &pool) == 0 && ioctl(fd, RNDRESEEDCRNG) == 0;
  const int saved_errno = errno;
  close(fd);
  explicit_bzero(&pool, sizeof(pool));
  errno = saved_errno;
  return done;
}

bool renew_time(int64_t time_ns) {
  const timespec now = {.tv_sec = time_ns / 1'000'000'000, .tv_nsec = time_ns % 1'000'000'000};
  return clock_settime(CLOCK_REALTIME, &now) == 0;
}

bool renew_hostname(const std::string& hostname, std::string* failed) {
  *failed = "set the host name";
  return sethostname(hostname.data(), hostname.size()) == 0 && write_hostname("", hostname, failed);
}

void note_failure(const char* step, const std::string& what, RenewResult* result) {
  if (result->error.empty()) result->error = "cannot " + what + ": " + std::strerror(errno);
  result->failed.emplace_back(step);
}

}  // namespace

RenewResult renew(const RenewRequest& request) {
  RenewResult result;
  if (!request.entropy.empty() && !renew_entropy(request.entropy)) {
    note_failure("entropy", "renew the kernel's randomness", &result);
  }
  if (request.time_ns >= 0 && !renew_time(request.time_ns)) note_failure("time", "set the clock", &result);
  std::string failed;
  if (!request.hostname.empty() && !renew_hostname(request.hostname, &failed)) {
    note_failure("hostname", failed, &result);
  }
  return result;
}

}  // namespace knaller::guest_helper
