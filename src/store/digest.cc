#include "store/digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/text.h"

namespace knaller::store {
namespace {

// Stays in a core's second-level cache between the read and the hash.
constexpr size_t kPieceBytes = 256 << 10;

[[noreturn]] void fail_in_openssl() {
  fail(Code::kInternal, "OpenSSL can't compute a SHA-256");
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    // Fetched once: an implicit fetch at every use costs more than hashing a small file.
    static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    if (context_ == nullptr || algorithm == nullptr ||
        EVP_DigestInit_ex2(context_.get(), algorithm, nullptr) != 1)
      fail_in_openssl();
  }

  void add(const char* data, size_t size) {
    if (EVP_DigestUpdate(context_.get(), data, size) != 1) fail_in_openssl();
  }

  std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int size = 0;
    if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) fail_in_openssl();
    return hex({reinterpret_cast<const char*>(digest.data()), size});
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

bool is_zero(const char* data, size_t size) {
  return data[0] == 0 && std::memcmp(data, data + 1, size - 1) == 0;
}

// Fewer bytes only where the file ends.
size_t read_piece(const ChunkTask& task, uint64_t offset, char* buffer, size_t size) {
  size_t filled = 0;
  while (filled < size) {
    const ssize_t got = ::pread(task.fd, buffer + filled, size - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("read '{}' at offset {}", task.name, offset + filled);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  return filled;
}

// Zeros in front are only counted until something else follows: chunks that are all zero are never hashed.
std::string digest_chunk(const ChunkTask& task, std::vector<char>& buffer) {
  Sha256 hash;
  bool all_zero = true;
  for (uint64_t done = 0; done < task.size;) {
    const size_t wanted = std::min<uint64_t>(buffer.size(), task.size - done);
    const size_t size = read_piece(task, task.offset + done, buffer.data(), wanted);
    if (size == 0) break;
    if (all_zero && !is_zero(buffer.data(), size)) {
      all_zero = false;
      const std::vector<char> zeros(std::min<uint64_t>(done, kPieceBytes));
      for (uint64_t fed = 0; fed < done;) {
        const size_t part = std::min<uint64_t>(zeros.size(), done - fed);
        hash.add(zeros.data(), part);
        fed += part;
      }
    }
    if (!all_zero) hash.add(buffer.data(), size);
    done += size;
  }
  return all_zero ? std::string() : hash.finish();
}

uint64_t next_data(int fd, uint64_t offset, uint64_t size) {
  const off_t found = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (found >= 0) return std::min(size, static_cast<uint64_t>(found));
  return errno == ENXIO ? size : offset;  // a file system without SEEK_DATA: everything is data
}

// What the threads of one digest_chunks() share.
class Crew {
 public:
  Crew(const std::vector<ChunkTask>& tasks, const ChunkWork& work, const Deadline& deadline, size_t threads)
      : tasks_(tasks), work_(work), deadline_(deadline), threads_(threads) {
    for (const ChunkTask& task : tasks) total_ += task.size;
  }

  void run() {
    {
      std::vector<std::jthread> others;
      for (size_t count = 1; count < threads_; ++count) others.emplace_back([this] { work({}); });
      work(work_.progress);
    }
    if (error_) std::rethrow_exception(error_);
    if (work_.progress) work_.progress(total_, total_);
  }

 private:
  void work(const ByteProgress& progress) {
    try {
      std::vector<char> buffer(kPieceBytes);
      for (size_t at = next_++; at < tasks_.size() && !ended_; at = next_++) {
        deadline_.check("digests of a snapshot's files");
        do_task(at, buffer);
        if (progress) progress(done_, total_);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      ended_ = true;
    }
  }

  void do_task(size_t at, std::vector<char>& buffer) {
    // Chunks are read side by side, which defeats the kernel's own read-ahead.
    if (at + threads_ < tasks_.size()) {
      const ChunkTask& later = tasks_[at + threads_];
      ::posix_fadvise(later.fd, static_cast<off_t>(later.offset), static_cast<off_t>(later.size),
                      POSIX_FADV_WILLNEED);
    }
    if (!work_.wanted || work_.wanted(tasks_[at])) work_.take(at, digest_chunk(tasks_[at], buffer));
    done_ += tasks_[at].size;
  }

  const std::vector<ChunkTask>& tasks_;
  const ChunkWork& work_;
  const Deadline& deadline_;
  const size_t threads_;
  uint64_t total_ = 0;
  std::atomic<size_t> next_{0};
  std::atomic<uint64_t> done_{0};
  std::atomic<bool> ended_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

std::string sha256_hex(std::string_view data) {
  Sha256 hash;
  hash.add(data.data(), data.size());
  return hash.finish();
}

std::vector<uint64_t> chunks_with_data(int fd, uint64_t size) {
  std::vector<uint64_t> offsets;
  for (uint64_t offset = next_data(fd, 0, size); offset < size; offset = next_data(fd, offset, size)) {
    offsets.push_back(offset / kChunkBytes * kChunkBytes);
    offset = offsets.back() + kChunkBytes;
  }
  return offsets;
}

void digest_chunks(const std::vector<ChunkTask>& tasks, const ChunkWork& work, const Deadline& deadline) {
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  Crew(tasks, work, deadline, std::clamp<size_t>(tasks.size(), 1, cores)).run();
}

}  // namespace knaller::store
