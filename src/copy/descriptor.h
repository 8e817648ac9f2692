// A descriptor that is closed when its owner ends. (base/fd.h has exceptions, which the agent has not.)
#ifndef KNALLER_COPY_DESCRIPTOR_H_
#define KNALLER_COPY_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace knaller::copy {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

}  // namespace knaller::copy

#endif  // KNALLER_COPY_DESCRIPTOR_H_
