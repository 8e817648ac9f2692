#include "memory/compare.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <vector>

#include "base/file.h"
#include "base/page.h"
#include "base/parallel.h"

namespace knaller::memory {
namespace {

constexpr uint64_t kComparedAtOnce = 4 << 20;

// The pieces of the file that are not all hole, by their number.
void add_pieces(int fd, uint64_t size, std::set<uint64_t>& pieces) {
  for (const Extent& data : data_pieces(fd, {0, size}, kComparedAtOnce))
    for (uint64_t piece = data.begin / kComparedAtOnce; piece <= (data.end - 1) / kComparedAtOnce; ++piece)
      pieces.insert(piece);
}

void read_piece(int fd, uint64_t size, uint64_t at, std::vector<char>& buffer) {
  std::fill(buffer.begin(), buffer.end(), '\0');
  if (at < size) read_at(fd, buffer.data(), std::min<uint64_t>(buffer.size(), size - at), at);
}

uint64_t differing_pages(const std::vector<char>& a, const std::vector<char>& b) {
  uint64_t count = 0;
  for (size_t at = 0; at < a.size(); at += kPage)
    if (std::memcmp(a.data() + at, b.data() + at, kPage) != 0) ++count;
  return count;
}

}  // namespace

PageDifference compare_pages(int a, int b, const Deadline& deadline) {
  const uint64_t size_a = file_size(a);
  const uint64_t size_b = file_size(b);
  std::set<uint64_t> with_data;
  add_pieces(a, size_a, with_data);
  add_pieces(b, size_b, with_data);
  const std::vector<uint64_t> pieces(with_data.begin(), with_data.end());
  std::atomic<uint64_t> differing = 0;
  for_each_in_parallel(pieces.size(), [&](size_t number) {
    deadline.check("a comparison of memory");
    thread_local std::vector<char> of_a(kComparedAtOnce);
    thread_local std::vector<char> of_b(kComparedAtOnce);
    read_piece(a, size_a, pieces[number] * kComparedAtOnce, of_a);
    read_piece(b, size_b, pieces[number] * kComparedAtOnce, of_b);
    differing += differing_pages(of_a, of_b);
  });
  return {differing, (std::max(size_a, size_b) + kPage - 1) / kPage};
}

}  // namespace knaller::memory
