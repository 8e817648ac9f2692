// Digests of the chunks of files, made on all cores.
//
// The caller's thread works along with the others and is the only one that calls `progress`. Holes are found,
// not read; memory is a small buffer per thread. What one thread throws ends the others and is thrown to the
// caller.
#ifndef KNALLER_STORE_DIGEST_H_
#define KNALLER_STORE_DIGEST_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/file.h"

namespace knaller::store {

constexpr uint64_t kChunkBytes = 4 << 20;

// How a digest is made of a chunk's bytes.
enum class DigestKind {
  kPlain,  // their SHA-256
  // The SHA-256 of the concatenated SHA-256s of its leaves: 16 KiB each, the last one what is left. A
  // processor computes many of those at once, and those of zeros are known.
  kTree,
};

// Of at most kChunkBytes, as 64 hexadecimal digits; empty when all of them are zero.
std::string chunk_digest(DigestKind kind, std::string_view data);

// Opens the library that computes digests, for which the first ones would wait some 6 ms. Any thread.
void prepare_digests();

// Offsets of the chunks of an open file that are not all hole.
std::vector<uint64_t> chunks_with_data(int fd, uint64_t size);

struct ChunkTask {
  int fd = -1;
  std::string_view name;  // of the file, for errors
  size_t file = 0;        // the caller's number for it
  uint64_t offset = 0;
  uint64_t size = 0;  // bytes of the file from there, at most kChunkBytes
  DigestKind kind = DigestKind::kTree;
  std::string_view bytes = {};  // all of them, when they are at hand: the file is not read
};

struct ChunkWork {
  // Other work to do meanwhile: one thread does it, and then helps with the digests.
  std::function<void()> first;
  // Asked before each chunk, on any thread; absent: all are wanted.
  std::function<bool(const ChunkTask&)> wanted;
  // Given each task's digest, on any thread; empty when all of its bytes are zero.
  std::function<void(size_t task, std::string digest)> take;
  ByteProgress progress;
};

void digest_chunks(const std::vector<ChunkTask>& tasks, const ChunkWork& work, const Deadline& deadline);

}  // namespace knaller::store

#endif  // KNALLER_STORE_DIGEST_H_
