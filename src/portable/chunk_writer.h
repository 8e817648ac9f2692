// Writes the chunks of files while their digests are compared, on all cores: whoever has the bytes fills
// buffers and hands them over. Blocks of zeros become holes. Memory is a few buffers.
//
// Used by one thread; a chunk that does not match its digest is kCorrupt, thrown by one of the next calls.
#ifndef KNALLER_PORTABLE_CHUNK_WRITER_H_
#define KNALLER_PORTABLE_CHUNK_WRITER_H_

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "store/manifest.h"

namespace knaller::portable {

class ChunkWriter {
 public:
  struct Chunk {
    int fd = -1;
    std::string_view file;  // its name, for errors
    uint64_t offset = 0;
    size_t size = 0;
    store::DigestKind kind = store::DigestKind::kTree;
    std::string_view digest;  // empty: it has to be all zero
    std::unique_ptr<char[]> data;
  };

  ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;
  ~ChunkWriter();

  // Of store::kChunkBytes; waits until one is free.
  std::unique_ptr<char[]> buffer();
  // What it refers to must stay until finish().
  void put(Chunk chunk);
  // Returns when all is written.
  void finish();

 private:
  void work();
  void rethrow();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<char[]>> free_;
  std::deque<Chunk> waiting_;
  size_t working_ = 0;
  bool ended_ = false;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;
};

}  // namespace knaller::portable

#endif  // KNALLER_PORTABLE_CHUNK_WRITER_H_
