#include "portable/layout.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "portable/tar.h"
#include "store/layout.h"

namespace knaller::portable {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
// Chunks that are looked at before their pieces are put together, so that memory stays small.
constexpr size_t kChunksAtOnce = 256;

std::vector<Extent> nonzero_in_chunk(int fd, const Extent& chunk) {
  thread_local std::vector<char> buffer(kPieceBytes);
  std::vector<Extent> found;
  for (const Extent& piece : data_pieces(fd, chunk, buffer.size())) {
    read_at(fd, buffer.data(), piece.size(), piece.begin);
    for (uint64_t at = piece.begin; at < piece.end; at += kBlockBytes) {
      const uint64_t size = std::min(kBlockBytes, piece.end - at);
      if (is_zero(buffer.data() + (at - piece.begin), size)) continue;
      if (!found.empty() && found.back().end == at)
        found.back().end += size;
      else
        found.push_back({at, at + size});
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> parse_left_out(std::string_view text, const store::Manifest& manifest) {
  std::vector<std::string> names;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    if (!layout::comes_from_image(line) || manifest.find(line) == nullptr ||
        std::find(names.begin(), names.end(), line) != names.end())
      fail(Code::kCorrupt, "'{}' can't be left out of it", printable(line.substr(0, 80)));
    names.emplace_back(line);
  }
  return names;
}

std::vector<Extent> nonzero_extents(int fd, const store::ManifestFile& file, const Deadline& deadline) {
  std::vector<Extent> data;
  uint64_t least_hole = 0;
  for (size_t first = 0; first < file.chunks.size(); first += kChunksAtOnce) {
    std::vector<std::vector<Extent>> found(std::min(kChunksAtOnce, file.chunks.size() - first));
    for_each_in_parallel(found.size(), [&](size_t number) {
      deadline.check("the snapshot's files");
      const uint64_t begin = file.chunks[first + number].offset;
      found[number] = nonzero_in_chunk(fd, {begin, std::min(begin + store::kChunkBytes, file.size)});
    });
    for (const std::vector<Extent>& of_chunk : found)
      for (const Extent& extent : of_chunk) add_extent(data, extent, least_hole);
  }
  return data;
}

}  // namespace knaller::portable
