#include "portable/chunk_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"

namespace knaller::portable {
namespace {

void check(const ChunkWriter::Chunk& chunk) {
  if (store::chunk_digest(chunk.kind, {chunk.data.get(), chunk.size}) == chunk.digest) return;
  fail(Code::kCorrupt, "'{}' is damaged in the {} bytes from offset {}", printable(chunk.file), chunk.size,
       chunk.offset);
}

// Begins to bring it to the disk, so that less is left to do when all must be there. A hint.
void begin_sync(const ChunkWriter::Chunk& chunk) {
  ::sync_file_range(chunk.fd, static_cast<off_t>(chunk.offset), static_cast<off_t>(chunk.size),
                    SYNC_FILE_RANGE_WRITE);
}

}  // namespace

ChunkWriter::ChunkWriter() {
  const size_t cores = core_count();
  for (size_t number = 0; number < cores + 2; ++number)
    free_.push_back(std::make_unique<char[]>(store::kChunkBytes));
  try {
    while (threads_.size() < cores) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // Fewer do the work, too. Those that run would wait for ever for a destructor that is not called.
    if (threads_.empty()) throw;
  }
}

ChunkWriter::~ChunkWriter() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  waiting_.clear();
  changed_.notify_all();
}

std::unique_ptr<char[]> ChunkWriter::buffer() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !free_.empty() || error_ != nullptr; });
  rethrow();
  auto buffer = std::move(free_.back());
  free_.pop_back();
  return buffer;
}

void ChunkWriter::put(Chunk chunk) {
  const std::lock_guard lock(mutex_);
  rethrow();
  waiting_.push_back(std::move(chunk));
  changed_.notify_all();
}

void ChunkWriter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return (waiting_.empty() && working_ == 0) || error_ != nullptr; });
  rethrow();
}

void ChunkWriter::rethrow() {
  if (error_) std::rethrow_exception(error_);
}

void ChunkWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !waiting_.empty() || ended_; });
    if (ended_) return;
    Chunk chunk = std::move(waiting_.front());
    waiting_.pop_front();
    ++working_;
    lock.unlock();
    std::exception_ptr error;
    try {
      check(chunk);
      write_nonzero(chunk.fd, chunk.data.get(), chunk.size, chunk.offset);
      begin_sync(chunk);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    --working_;
    if (error && !error_) error_ = error;
    free_.push_back(std::move(chunk.data));
    changed_.notify_all();
  }
}

}  // namespace knaller::portable
