// copy_sparse() and link_or_copy(): memory files and disks of gigabytes that are mostly holes.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace knaller {
namespace {

constexpr uint64_t kChunk = 1 << 20;
// Of one call. For larger ones Linux 6.18 looks for stretches of megabytes among its free pages, which made
// 4 MiB four times as slow on ext4; and as long as a call takes, nobody else can look for the file's holes.
constexpr size_t kWrite = 256 << 10;

bool clone_file(int from, int to, uint64_t size) {
  // Any reason not to (another file system, none that can, an odd one's own errno): the plain copy tells
  // about real faults.
  if (::ioctl(to, FICLONE, from) != 0) return false;
  if (::ftruncate(to, static_cast<off_t>(size)) != 0) fail_errno("set the size of a copy");
  return true;
}

}  // namespace

void append(std::vector<Extent>& extents, const Extent& next) {
  if (!extents.empty() && extents.back().end == next.begin) {
    extents.back().end = next.end;
  } else {
    extents.push_back(next);
  }
}

uint64_t total_bytes(const std::vector<Extent>& extents) {
  uint64_t bytes = 0;
  for (const Extent& extent : extents) bytes += extent.size();
  return bytes;
}

bool is_zero(const char* data, size_t size) {
  return data[0] == 0 && std::memcmp(data, data + 1, size - 1) == 0;
}

Extent next_data(int fd, uint64_t from, uint64_t size) {
  const off_t begin = ::lseek(fd, static_cast<off_t>(from), SEEK_DATA);
  if (begin < 0 && errno == ENXIO) return {size, size};
  if (begin < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) return {from, size};
  if (begin < 0) fail_errno("look for data in a file");
  const off_t hole = ::lseek(fd, begin, SEEK_HOLE);
  if (hole < 0) fail_errno("look for a hole in a file");
  // Where somebody made a hole between the two, a block of it is data: an empty stretch would be the end.
  const uint64_t end = static_cast<uint64_t>(hole) + (hole == begin ? kBlockBytes : 0);
  // Whole blocks from the start of the file on, so that a page of zeros is always seen as one.
  const uint64_t aligned = std::max(from, static_cast<uint64_t>(begin) / kBlockBytes * kBlockBytes);
  return {std::min(aligned, size), std::min(end, size)};
}

std::vector<Extent> data_pieces(int fd, const Extent& within, uint64_t most) {
  std::vector<Extent> pieces;
  for (Extent data = next_data(fd, within.begin, within.end); data.size() > 0;
       data = next_data(fd, data.end, within.end)) {
    for (uint64_t at = data.begin; at < data.end; at += most)
      pieces.push_back({at, std::min(at + most, data.end)});
    if (data.end == within.end) break;
  }
  return pieces;
}

void punch_hole(int fd, const Extent& extent) {
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(extent.begin),
                  static_cast<off_t>(extent.size())) != 0)
    fail_errno("make a hole in a file");
}

void read_at(int fd, char* buffer, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t got = ::pread(fd, buffer, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("read a file to copy");
    if (got == 0) fail(Code::kCorrupt, "a file shrank while it was copied");
    buffer += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
}

void write_at(int fd, const char* buffer, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t put = ::pwrite(fd, buffer, std::min(size, kWrite), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_errno("write the copy of a file");
    buffer += put;
    offset += static_cast<uint64_t>(put);
    size -= static_cast<size_t>(put);
  }
}

uint64_t write_nonzero(int fd, const char* data, size_t size, uint64_t offset) {
  uint64_t written = 0;
  size_t run = 0;  // data[run, at) is to be written
  for (size_t at = 0; at < size;) {
    const size_t length = std::min<size_t>(kBlockBytes, size - at);
    if (is_zero(data + at, length)) {
      write_at(fd, data + run, at - run, offset + run);
      written += at - run;
      run = at + length;
    }
    at += length;
  }
  write_at(fd, data + run, size - run, offset + run);
  return written + (size - run);
}

// Never copy_file_range(2): it also copies zeros that are allocated in the source, and a memory file must
// hold none.
CopyResult copy_sparse(int from, int to, uint64_t size, const Deadline& deadline,
                       const ByteProgress& progress) {
  const uint64_t available = file_size(from);
  if (available < size) fail(Code::kCorrupt, "a file to copy has {} bytes instead of {}", available, size);
  CopyResult result;
  result.apparent_bytes = size;
  result.reflinked = clone_file(from, to, size);
  if (!result.reflinked) {
    if (::ftruncate(to, static_cast<off_t>(size)) != 0) fail_errno("set the size of a copy");
    std::vector<char> buffer(kChunk);
    Extent data = next_data(from, 0, size);
    while (data.begin < data.end) {
      deadline.check("a copy");
      const size_t length = std::min(kChunk, data.end - data.begin);
      read_at(from, buffer.data(), length, data.begin);
      result.copied_bytes += write_nonzero(to, buffer.data(), length, data.begin);
      data.begin += length;
      if (progress) progress(data.begin, size);
      if (data.begin == data.end && data.end < size) data = next_data(from, data.end, size);
    }
  }
  if (progress) progress(size, size);
  return result;
}

void link_or_copy(int from_dir, const std::string& from, int to_dir, const std::string& to,
                  const Deadline& deadline) {
  const auto source = stat_if_exists(from_dir, from);
  if (source && !S_ISREG(source->st_mode)) fail(Code::kCorrupt, "'{}' is not a regular file", from);
  if (::linkat(from_dir, from.c_str(), to_dir, to.c_str(), 0) == 0) return;
  if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP) {
    fail_errno("link '{}' to '{}'", from, to);
  }
  const UniqueFd input = open_at(from_dir, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const UniqueFd output = open_at(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0400);
  try {
    in_context([&] { return fmt::format("copy '{}' to '{}'", from, to); },
               [&] {
                 copy_sparse(input.get(), output.get(), file_size(input.get()), deadline);
                 fsync_fd(output.get(), to);
               });
  } catch (...) {
    ::unlinkat(to_dir, to.c_str(), 0);
    throw;
  }
}

}  // namespace knaller
