#include "image/decompress.h"

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace knaller::image {
namespace {

constexpr size_t kPieceBytes = 1 << 20;
// The kernel's own limit for the blocks of its LZ4 format (lib/decompress_unlz4.c).
constexpr size_t kLz4BlockBytes = 8 << 20;
constexpr uint64_t kXzMemory = 256 << 20;

[[noreturn]] void fail_damaged(std::string_view what) {
  fail(Code::kCorrupt, "the compressed data of {} is damaged", what);
}

// Passes output on and keeps its limit.
class Output {
 public:
  Output(size_t limit, std::string_view what, const ByteSink& sink)
      : left_(limit), limit_(limit), what_(what), sink_(sink) {}

  void append(const char* data, size_t size) {
    if (size > left_)
      fail(Code::kCorrupt, "{} would be longer than {} bytes when decompressed", what_, limit_);
    left_ -= size;
    sink_({data, size});
  }

 private:
  size_t left_;
  size_t limit_;
  std::string_view what_;
  const ByteSink& sink_;
};

void gunzip(std::string_view data, std::string_view what, Output& output) {
  z_stream stream{};
  if (::inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) fail(Code::kInternal, "zlib can't be initialised");
  const std::unique_ptr<z_stream, decltype([](z_stream* open) { ::inflateEnd(open); })> owner(&stream);
  if (data.size() > UINT32_MAX) fail_damaged(what);
  // zlib's old interface takes no pointer to const; it does not write there.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  const auto piece = std::make_unique<std::array<char, kPieceBytes>>();
  for (int status = Z_OK; status != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece->data());
    stream.avail_out = kPieceBytes;
    status = ::inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END) fail_damaged(what);
    output.append(piece->data(), kPieceBytes - stream.avail_out);
  }
}

void unxz(std::string_view data, std::string_view what, Output& output) {
  lzma_stream stream = LZMA_STREAM_INIT;
  if (::lzma_stream_decoder(&stream, kXzMemory, 0) != LZMA_OK)
    fail(Code::kInternal, "liblzma can't be initialised");
  const std::unique_ptr<lzma_stream, decltype([](lzma_stream* open) { ::lzma_end(open); })> owner(&stream);
  stream.next_in = reinterpret_cast<const uint8_t*>(data.data());
  stream.avail_in = data.size();
  const auto piece = std::make_unique<std::array<char, kPieceBytes>>();
  for (lzma_ret status = LZMA_OK; status != LZMA_STREAM_END;) {
    stream.next_out = reinterpret_cast<uint8_t*>(piece->data());
    stream.avail_out = kPieceBytes;
    status = ::lzma_code(&stream, LZMA_RUN);
    if (status != LZMA_OK && status != LZMA_STREAM_END) fail_damaged(what);
    output.append(piece->data(), kPieceBytes - stream.avail_out);
  }
}

void unzstd(std::string_view data, std::string_view what, Output& output) {
  const std::unique_ptr<ZSTD_DCtx, decltype([](ZSTD_DCtx* open) { ::ZSTD_freeDCtx(open); })> stream(
      ::ZSTD_createDCtx());
  if (!stream) fail(Code::kInternal, "zstd can't be initialised");
  ZSTD_inBuffer in = {data.data(), data.size(), 0};
  const auto piece = std::make_unique<std::array<char, kPieceBytes>>();
  for (size_t left = 1; left != 0;) {
    ZSTD_outBuffer out = {piece->data(), kPieceBytes, 0};
    const size_t before = in.pos;
    left = ::ZSTD_decompressStream(stream.get(), &out, &in);
    if (::ZSTD_isError(left) != 0) fail_damaged(what);
    if (left != 0 && out.pos == 0 && in.pos == before) fail_damaged(what);  // cut short
    output.append(piece->data(), out.pos);
  }
}

// A magic number, then blocks, each behind its length; a block that can't be one is what follows the end.
void unlz4_legacy(std::string_view data, std::string_view what, Output& output) {
  data.remove_prefix(4);
  const auto block = std::make_unique<std::array<char, kLz4BlockBytes>>();
  while (data.size() > 4) {
    uint32_t size = 0;
    std::memcpy(&size, data.data(), sizeof(size));
    data.remove_prefix(4);
    if (size == 0 || size > static_cast<uint32_t>(LZ4_COMPRESSBOUND(kLz4BlockBytes))) break;
    if (size > data.size()) fail_damaged(what);
    const int count =
        ::LZ4_decompress_safe(data.data(), block->data(), static_cast<int>(size), kLz4BlockBytes);
    if (count <= 0) fail_damaged(what);
    output.append(block->data(), static_cast<size_t>(count));
    data.remove_prefix(size);
  }
}

}  // namespace

Compression compression_of(std::string_view data) {
  struct Magic {
    std::string_view bytes;
    Compression compression;
  };
  static constexpr std::array<Magic, 8> kMagics = {{{"\x7f"
                                                     "ELF",
                                                     Compression::kNone},
                                                    {"\x1f\x8b", Compression::kGzip},
                                                    {"\xfd"
                                                     "7zXZ",
                                                     Compression::kXz},
                                                    {"\x28\xb5\x2f\xfd", Compression::kZstd},
                                                    {"\x02\x21\x4c\x18", Compression::kLz4Legacy},
                                                    {"BZh", Compression::kBzip2},
                                                    {"\x89LZO", Compression::kLzo},
                                                    {{"\x5d\0\0", 3}, Compression::kLzma}}};
  for (const Magic& magic : kMagics)
    if (data.starts_with(magic.bytes)) return magic.compression;
  return Compression::kUnknown;
}

std::string_view to_string(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "none";
    case Compression::kGzip:
      return "gzip";
    case Compression::kXz:
      return "xz";
    case Compression::kZstd:
      return "zstd";
    case Compression::kLz4Legacy:
      return "lz4";
    case Compression::kBzip2:
      return "bzip2";
    case Compression::kLzma:
      return "lzma";
    case Compression::kLzo:
      return "lzo";
    case Compression::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::string decompress(std::string_view data, size_t limit, std::string_view what) {
  std::string bytes;
  decompress(data, limit, what, [&](std::string_view piece) { bytes += piece; });
  return bytes;
}

void decompress(std::string_view data, size_t limit, std::string_view what, const ByteSink& sink) {
  Output output(limit, what, sink);
  const Compression compression = compression_of(data);
  switch (compression) {
    case Compression::kNone:
      return output.append(data.data(), data.size());
    case Compression::kGzip:
      return gunzip(data, what, output);
    case Compression::kXz:
      return unxz(data, what, output);
    case Compression::kZstd:
      return unzstd(data, what, output);
    case Compression::kLz4Legacy:
      return unlz4_legacy(data, what, output);
    case Compression::kBzip2:
    case Compression::kLzma:
    case Compression::kLzo:
    case Compression::kUnknown:
      break;
  }
  throw Error(Code::kUnsupported,
              fmt::format("{} has {} compression, which knaller can't undo", what, to_string(compression)),
              "lz4, gzip, xz and zstd are known: build the kernel with one of these, or give its vmlinux");
}

}  // namespace knaller::image
