// The first byte says what follows: 'z' a stream as it comes, else a tar, which is compressed here, since the
// checksum of a changed stream would let nothing through.
#include <algorithm>

#include "portable/tar.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

std::string compressed(std::string_view text) {
  std::string out;
  portable::Compressor compressor([&](std::string_view piece) { out += piece; }, 1, 1);
  compressor.write(text);
  compressor.finish();
  return out;
}

void check_entry(const portable::TarEntry& entry) {
  uint64_t at = 0;
  for (const Extent& piece : entry.data) {
    fuzz::require(piece.begin >= at && piece.begin < piece.end && piece.end <= entry.size,
                  "a piece lies where none can");
    at = piece.end;
  }
}

void read_all(const std::string& stream) {
  size_t at = 0;
  portable::Decompressor from([&](char* buffer, size_t size) {
    const size_t piece = std::min({size, size_t{4096}, stream.size() - at});
    std::copy_n(stream.data() + at, piece, buffer);
    at += piece;
    return piece;
  });
  portable::TarReader tar(from);
  portable::TarEntry entry;
  std::string buffer(64 << 10, '\0');
  while (tar.next(entry)) {
    check_entry(entry);
    for (uint64_t left = entry.data_bytes(); left > 0;) {
      const size_t piece = std::min<uint64_t>(left, buffer.size());
      tar.read(buffer.data(), piece);
      left -= piece;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data, size).substr(1);
  const std::string stream = data[0] == 'z' ? std::string(text) : compressed(text);
  fuzz::refuses_well([&] { read_all(stream); });
  return 0;
}
