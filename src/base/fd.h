// Owning file descriptors, and the reads and writes that never come up short.
#ifndef KNALLER_BASE_FD_H_
#define KNALLER_BASE_FD_H_

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace knaller {

// Owns one descriptor. Every descriptor in this code base is opened with O_CLOEXEC.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);
  // Another descriptor of the same open file.
  UniqueFd duplicate() const;

 private:
  int fd_ = -1;
};

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};
Pipe make_pipe();

// A connected pair of unix stream sockets.
std::pair<UniqueFd, UniqueFd> make_socket_pair();

// write(2) that raises no SIGPIPE: to a pipe that nobody reads any more it only fails with EPIPE, whatever
// the program does with that signal, which by default would end it. Sockets have MSG_NOSIGNAL for that.
ssize_t write_without_sigpipe(int fd, std::string_view data);
// The same for a descriptor that poll(2) found writable: does not block, whatever its flags are.
ssize_t write_without_blocking(int fd, std::string_view data);
// Writes all of it (continues after EINTR and short writes; never raises SIGPIPE). Throws kIo and the like.
void write_all(int fd, std::string_view data, std::string_view what);
// Reads up to `size` bytes, fewer only at end of file.
size_t read_up_to(int fd, void* buffer, size_t size, std::string_view what);
// Reads to the end of file; more than `limit` bytes is kInvalidArgument.
std::string read_to_end(int fd, size_t limit, std::string_view what);

}  // namespace knaller

#endif  // KNALLER_BASE_FD_H_
