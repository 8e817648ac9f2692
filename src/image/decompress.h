// Decompression of a whole buffer that came from outside, with a limit on what comes out of it, and without
// keeping all of that in memory. Pure.
#ifndef KNALLER_IMAGE_DECOMPRESS_H_
#define KNALLER_IMAGE_DECOMPRESS_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace knaller::image {

enum class Compression { kNone, kGzip, kXz, kZstd, kLz4Legacy, kBzip2, kLzma, kLzo, kUnknown };

// By the first bytes. kNone: an ELF file.
Compression compression_of(std::string_view data);
std::string_view to_string(Compression compression);

// The first stream in `data`; bytes after its end are ignored (kernels keep a length there). kCorrupt when it
// is damaged or would be longer than `limit`; kUnsupported for a compression that knaller has no library for.
using ByteSink = std::function<void(std::string_view)>;
void decompress(std::string_view data, size_t limit, std::string_view what, const ByteSink& sink);
std::string decompress(std::string_view data, size_t limit, std::string_view what);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_DECOMPRESS_H_
