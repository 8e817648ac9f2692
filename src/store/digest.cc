#include "store/digest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "store/sha256.h"

namespace knaller::store {
namespace {

// Stays in a core's second-level cache between the read and the hash.
constexpr size_t kPieceBytes = 256 << 10;

constexpr size_t kLeafBytes = 16 << 10;

const std::string& zero_piece() {
  static const std::string zeros(kPieceBytes, '\0');
  return zeros;
}

const std::string& digest_of_zero_leaf() {
  static const std::string digest = sha256(std::string(kLeafBytes, '\0'));
  return digest;
}

// Of bytes that come in pieces; a piece that another one follows has whole leaves. Zeros in front are only
// counted until something else follows: chunks that are all zero are never hashed.
class ChunkDigest {
 public:
  explicit ChunkDigest(DigestKind kind) : kind_(kind) {}

  void add(std::string_view piece) {
    if (all_zero_ && is_zero(piece.data(), piece.size())) {
      zeros_ += piece.size();
      return;
    }
    if (std::exchange(all_zero_, false)) add_zeros();
    if (kind_ == DigestKind::kTree)
      add_leaves(piece);
    else
      hash_.add(piece);
  }

  std::string finish() { return all_zero_ ? std::string() : hex(hash_.finish()); }

 private:
  void add_zeros() {
    if (kind_ == DigestKind::kTree) {
      for (; zeros_ > 0; zeros_ -= kLeafBytes) hash_.add(digest_of_zero_leaf());
      return;
    }
    const std::string& zeros = zero_piece();
    for (; zeros_ > 0; zeros_ -= std::min(zeros_, zeros.size()))
      hash_.add(std::string_view(zeros).substr(0, zeros_));
  }

  void add_leaves(std::string_view piece) {
    std::vector<std::string_view> leaves;
    std::vector<bool> is_known;
    for (; !piece.empty(); piece.remove_prefix(std::min(kLeafBytes, piece.size()))) {
      const std::string_view leaf = piece.substr(0, kLeafBytes);
      is_known.push_back(leaf.size() == kLeafBytes && is_zero(leaf.data(), leaf.size()));
      if (!is_known.back()) leaves.push_back(leaf);
    }
    const std::string digests = sha256_of_each(leaves);
    std::string_view next = digests;
    for (const bool known : is_known) {
      hash_.add(known ? std::string_view(digest_of_zero_leaf()) : next.substr(0, kSha256Bytes));
      if (!known) next.remove_prefix(kSha256Bytes);
    }
  }

  DigestKind kind_;
  Sha256 hash_;
  bool all_zero_ = true;
  uint64_t zeros_ = 0;
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

std::string digest_chunk(const ChunkTask& task, std::vector<char>& buffer) {
  if (!task.bytes.empty()) return chunk_digest(task.kind, task.bytes);
  const std::string& zeros = zero_piece();
  ChunkDigest digest(task.kind);
  const uint64_t end = task.offset + task.size;
  Extent data{task.offset, task.offset};
  for (uint64_t at = task.offset; at < end;) {
    if (data.end <= at) data = next_data(task.fd, at, end);
    const size_t wanted = std::min<uint64_t>(buffer.size(), end - at);
    // Reading a hole costs as much as reading data.
    const bool hole = at + wanted <= data.begin;
    const size_t size = hole ? wanted : read_piece(task, at, buffer.data(), wanted);
    if (size == 0) break;
    digest.add({hole ? zeros.data() : buffer.data(), size});
    at += size;
  }
  return digest.finish();
}

// Chunks are read side by side, which defeats the kernel's own read-ahead. Not where a file has holes: of
// those the kernel would make pages of zeros.
void read_ahead(const ChunkTask& task) {
  if (!task.bytes.empty()) return;
  for (const Extent& data : data_pieces(task.fd, {task.offset, task.offset + task.size}, task.size))
    ::posix_fadvise(task.fd, static_cast<off_t>(data.begin), static_cast<off_t>(data.size()),
                    POSIX_FADV_WILLNEED);
}

}  // namespace

std::string chunk_digest(DigestKind kind, std::string_view data) {
  ChunkDigest digest(kind);
  digest.add(data);
  return digest.finish();
}

// A few leaves would be made without the library.
void prepare_digests() {
  chunk_digest(DigestKind::kTree, std::string(kPieceBytes, '\1'));
}

std::vector<uint64_t> chunks_with_data(int fd, uint64_t size) {
  std::vector<uint64_t> offsets;
  // Each extent is looked for once: to find its end, the kernel goes through all of it.
  for (const Extent& data : data_pieces(fd, {0, size}, size)) {
    const uint64_t first = data.begin / kChunkBytes * kChunkBytes;
    const uint64_t next = offsets.empty() ? 0 : offsets.back() + kChunkBytes;
    for (uint64_t at = std::max(first, next); at < data.end; at += kChunkBytes) offsets.push_back(at);
  }
  return offsets;
}

void digest_chunks(const std::vector<ChunkTask>& tasks, const ChunkWork& work, const Deadline& deadline) {
  const size_t cores = core_count();
  const auto caller = std::this_thread::get_id();
  uint64_t total = 0;
  for (const ChunkTask& task : tasks) total += task.size;
  std::atomic<uint64_t> done = 0;
  const size_t others = work.first ? 1 : 0;
  for_each_in_parallel(others + tasks.size(), [&](size_t number) {
    if (number < others) return work.first();
    const size_t at = number - others;
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
