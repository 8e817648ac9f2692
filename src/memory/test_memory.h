// For tests: memory of this process that stands for a guest's, and files that nobody sees.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/page.h"

namespace knaller::memory {

inline UniqueFd temporary_file() {
  char name[] = "guest_memory_test.XXXXXX";
  UniqueFd fd(::mkostemp(name, O_CLOEXEC));
  EXPECT_TRUE(static_cast<bool>(fd));
  ::unlink(name);
  return fd;
}

inline std::string content(int fd) {
  std::string text(file_size(fd), '\0');
  EXPECT_EQ(::pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  return text;
}

class Map {
 public:
  Map(int fd, int flags, uint64_t size) : size_(size) {
    data_ = static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0));
    if (data_ == MAP_FAILED) fail_errno("mmap");
  }
  ~Map() { ::munmap(data_, size_); }
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;
  char* page(uint64_t number) { return data_ + number * kPage; }

 private:
  char* data_;
  uint64_t size_;
};

}  // namespace knaller::memory
