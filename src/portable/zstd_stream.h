// zstd streams, with constant memory. One object is used by one thread; a compressor has threads of its own.
//
// The same bytes at the same level make the same stream, with any number of threads.
#ifndef KNALLER_PORTABLE_ZSTD_STREAM_H_
#define KNALLER_PORTABLE_ZSTD_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace knaller::portable {

using Sink = std::function<void(std::string_view)>;
// Fills some of the buffer; 0 only at the end.
using Source = std::function<size_t(char* buffer, size_t size)>;

inline constexpr int kLowestLevel = 1;
inline constexpr int kHighestLevel = 19;  // above, a reader needs a window of up to 128 MiB

class Compressor {
 public:
  // `threads` 0: as many as there are cores. kInvalidArgument for a level that does not exist.
  Compressor(Sink sink, int level, unsigned threads);
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor();

  void write(std::string_view data);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads one frame, from anybody. What is not zstd, damaged, cut off, or followed by something is kCorrupt.
class Decompressor {
 public:
  explicit Decompressor(Source source);
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor();

  // Fewer than `size` bytes only where the frame ends.
  size_t read(char* buffer, size_t size);
  // Throws unless the source ends here, where the frame ended.
  void expect_end();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace knaller::portable

#endif  // KNALLER_PORTABLE_ZSTD_STREAM_H_
