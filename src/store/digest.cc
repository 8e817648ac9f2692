#include "store/digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/parallel.h"
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

// Chunks are read side by side, which defeats the kernel's own read-ahead.
void read_ahead(const ChunkTask& task) {
  ::posix_fadvise(task.fd, static_cast<off_t>(task.offset), static_cast<off_t>(task.size),
                  POSIX_FADV_WILLNEED);
}

}  // namespace

std::string sha256_hex(std::string_view data) {
  Sha256 hash;
  hash.add(data.data(), data.size());
  return hash.finish();
}

std::vector<uint64_t> chunks_with_data(int fd, uint64_t size) {
  std::vector<uint64_t> offsets;
  for (uint64_t offset = next_data(fd, 0, size).begin; offset < size;
       offset = next_data(fd, offset, size).begin) {
    offsets.push_back(offset / kChunkBytes * kChunkBytes);
    offset = offsets.back() + kChunkBytes;
  }
  return offsets;
}

void digest_chunks(const std::vector<ChunkTask>& tasks, const ChunkWork& work, const Deadline& deadline) {
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const auto caller = std::this_thread::get_id();
  uint64_t total = 0;
  for (const ChunkTask& task : tasks) total += task.size;
  std::atomic<uint64_t> done = 0;
  for_each_in_parallel(tasks.size(), [&](size_t at) {
    thread_local std::vector<char> buffer(kPieceBytes);
    deadline.check("digests of a snapshot's files");
    if (at + cores < tasks.size()) read_ahead(tasks[at + cores]);
    if (!work.wanted || work.wanted(tasks[at])) work.take(at, digest_chunk(tasks[at], buffer));
    done += tasks[at].size;
    if (work.progress && std::this_thread::get_id() == caller) work.progress(done, total);
  });
  if (work.progress) work.progress(total, total);
}

}  // namespace knaller::store
