#include "disk/direct_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/error.h"

namespace knaller::disk {
namespace {

struct Free {
  void operator()(char* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<char, Free>;

// The largest alignment that a disk wants is that of its sectors.
Buffer make_buffer() {
  return Buffer(static_cast<char*>(std::aligned_alloc(kBlockBytes, DirectReader::kMost)));
}

}  // namespace

std::optional<DirectReader> DirectReader::open(int fd) {
  UniqueFd direct(
      ::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK));
  if (!direct) return std::nullopt;
  return DirectReader(std::move(direct));
}

std::span<const char> DirectReader::read(const Extent& extent) const {
  thread_local const Buffer buffer = make_buffer();
  if (!buffer) fail(Code::kExhausted, "not enough memory to read a disk");
  // Whole blocks, also where the file ends within one.
  const uint64_t whole = (extent.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  uint64_t got = 0;
  while (got < extent.size()) {
    // What follows a short read must begin at a block, too.
    const uint64_t from = got / kBlockBytes * kBlockBytes;
    const ssize_t count =
        ::pread(fd_.get(), buffer.get() + from, whole - from, static_cast<off_t>(extent.begin + from));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno("read a disk past the page cache");
    if (from + static_cast<uint64_t>(count) <= got) fail(Code::kCorrupt, "a disk shrank while it was copied");
    got = from + static_cast<uint64_t>(count);
  }
  return {buffer.get(), extent.size()};
}

}  // namespace knaller::disk
