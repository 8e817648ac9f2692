#include "portable/zstd_stream.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"

namespace knaller::portable {
namespace {

// What a reader holds at most, whatever the stream says: 128 MiB.
constexpr int kLargestWindow = 27;

size_t require(size_t result, Code code, std::string_view what) {
  if (ZSTD_isError(result) == 0) return result;
  // Of threads that can't be had, too.
  if (ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation)
    fail(Code::kExhausted, "{}: there is not enough memory, or there are too many threads", what);
  fail(code, "{}: {}", what, ZSTD_getErrorName(result));
}

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

struct Compressor::Impl {
  Sink sink;
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> context{ZSTD_createCCtx()};
  std::vector<char> out = std::vector<char>(ZSTD_CStreamOutSize());
  // The last byte is kept back for finish(). Without any there, a stream that is a multiple of what a thread
  // compresses would or would not get an empty block at its end, by whether the threads were busy (zstd
  // 1.5.4).
  std::string last;

  void set(ZSTD_cParameter parameter, int value) {
    require(ZSTD_CCtx_setParameter(context.get(), parameter, value), Code::kInternal, "set up zstd");
  }

  // True: nothing is left inside.
  bool step(ZSTD_inBuffer& in, ZSTD_EndDirective end) {
    ZSTD_outBuffer piece{out.data(), out.size(), 0};
    const size_t left =
        require(ZSTD_compressStream2(context.get(), &piece, &in, end), Code::kInternal, "compress");
    if (piece.pos > 0) sink({out.data(), piece.pos});
    return left == 0;
  }
};

Compressor::Compressor(Sink sink, int level, unsigned threads) : impl_(new Impl{.sink = std::move(sink)}) {
  if (level < kLowestLevel || level > kHighestLevel)
    fail(Code::kInvalidArgument, "{} is not a level of compression: there are {} to {}", level, kLowestLevel,
         kHighestLevel);
  if (!impl_->context) throw std::bad_alloc();
  if (threads == 0) threads = core_count();
  impl_->set(ZSTD_c_compressionLevel, level);
  impl_->set(ZSTD_c_checksumFlag, 1);
  // Also for one thread: without any the stream is another one.
  impl_->set(ZSTD_c_nbWorkers, static_cast<int>(std::min(threads, 64u)));
}

Compressor::~Compressor() = default;

void Compressor::write(std::string_view data) {
  if (data.empty()) return;
  for (const std::string_view piece : {std::string_view(impl_->last), data.substr(0, data.size() - 1)}) {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    while (in.pos < in.size) impl_->step(in, ZSTD_e_continue);
  }
  impl_->last.assign(1, data.back());
}

void Compressor::finish() {
  ZSTD_inBuffer in{impl_->last.data(), impl_->last.size(), 0};
  while (!impl_->step(in, ZSTD_e_end)) continue;
}

struct Decompressor::Impl {
  Source source;
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context{ZSTD_createDCtx()};
  std::vector<char> buffer = std::vector<char>(256 << 10);
  ZSTD_inBuffer in{buffer.data(), 0, 0};
  bool begun = false;
  bool ended = false;  // the frame

  // False at the end of the source.
  bool refill() {
    if (in.pos < in.size) return true;
    in = {buffer.data(), source(buffer.data(), buffer.size()), 0};
    return in.size > 0;
  }

  void begin() {
    constexpr std::string_view kMagic = "\x28\xb5\x2f\xfd";
    size_t filled = 0;
    while (filled < kMagic.size()) {
      const size_t got = source(buffer.data() + filled, buffer.size() - filled);
      if (got == 0) break;
      filled += got;
    }
    if (filled == 0) fail(Code::kCorrupt, "the stream is empty");
    if (std::string_view(buffer.data(), std::min(filled, kMagic.size())) != kMagic)
      throw Error(Code::kCorrupt, "the stream is not compressed by zstd",
                  "only what `knaller snapshot export` wrote can be imported");
    in = {buffer.data(), filled, 0};
    begun = true;
  }
};

Decompressor::Decompressor(Source source) : impl_(new Impl{.source = std::move(source)}) {
  if (!impl_->context) throw std::bad_alloc();
  require(ZSTD_DCtx_setParameter(impl_->context.get(), ZSTD_d_windowLogMax, kLargestWindow), Code::kInternal,
          "set up zstd");
}

Decompressor::~Decompressor() = default;

size_t Decompressor::read(char* buffer, size_t size) {
  Impl& it = *impl_;
  if (!it.begun) it.begin();
  ZSTD_outBuffer out{buffer, size, 0};
  while (out.pos < size && !it.ended) {
    const size_t before = out.pos;
    const size_t left = require(ZSTD_decompressStream(it.context.get(), &out, &it.in), Code::kCorrupt,
                                "the stream is damaged");
    it.ended = left == 0;
    // Nothing came out of what there was: more has to come in.
    if (!it.ended && out.pos == before && it.in.pos == it.in.size && !it.refill())
      fail(Code::kCorrupt, "the stream ends too early");
  }
  return out.pos;
}

void Decompressor::expect_end() {
  char byte = 0;
  if (read(&byte, 1) != 0) fail(Code::kCorrupt, "something follows behind the archive's end");
  if (impl_->refill()) fail(Code::kCorrupt, "something follows behind the stream's end");
}

}  // namespace knaller::portable
