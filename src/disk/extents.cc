#include "disk/extents.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"

namespace knaller::disk {
namespace {

// Looked at by one core.
constexpr uint64_t kLookedThroughAtOnce = 1 << 30;
// In the answer to one call.
constexpr uint32_t kMostExtents = 1024;

class ExtentQuery {
 public:
  ExtentQuery() : memory_((sizeof(fiemap) + kMostExtents * sizeof(fiemap_extent)) / sizeof(uint64_t)) {}

  // What follows `from`; nothing where the file system does not tell.
  std::optional<std::vector<fiemap_extent>> ask(int fd, const Extent& within) {
    auto* const query = reinterpret_cast<fiemap*>(memory_.data());
    query->fm_start = within.begin;
    query->fm_length = within.size();
    query->fm_flags = 0;
    query->fm_extent_count = kMostExtents;
    if (::ioctl(fd, FS_IOC_FIEMAP, query) != 0) {
      if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL || errno == EBADR) return std::nullopt;
      fail_errno("ask where a disk has data");
    }
    return std::vector(query->fm_extents, query->fm_extents + query->fm_mapped_extents);
  }

 private:
  std::vector<uint64_t> memory_;  // for its alignment
};

// What is allocated and was never written reads as zeros.
bool reads_as_zeros(const fiemap_extent& extent) {
  return (extent.fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0;
}

// False where the file system does not tell.
bool add_data(int fd, const Extent& within, std::vector<Extent>& data, const Deadline& deadline) {
  ExtentQuery query;
  for (uint64_t at = within.begin; at < within.end;) {
    deadline.check("a look at where a disk has data");
    const auto extents = query.ask(fd, {at, within.end});
    if (!extents) return false;
    for (const fiemap_extent& extent : *extents) {
      const uint64_t begin = std::max<uint64_t>(extent.fe_logical, at);
      at = std::clamp<uint64_t>(extent.fe_logical + extent.fe_length, at, within.end);
      if (begin < at && !reads_as_zeros(extent)) append(data, {begin, at});
    }
    if (extents->size() < kMostExtents) return true;
  }
  return true;
}

}  // namespace

std::vector<Extent> unite(const std::vector<Extent>& a, const std::vector<Extent>& b) {
  std::vector<Extent> united;
  const auto add = [&united](const Extent& next) {
    if (united.empty() || united.back().end < next.begin)
      united.push_back(next);
    else
      united.back().end = std::max(united.back().end, next.end);
  };
  auto left = a.begin();
  auto right = b.begin();
  while (left != a.end() || right != b.end()) {
    const bool take_left = right == b.end() || (left != a.end() && left->begin < right->begin);
    add(take_left ? *left++ : *right++);
  }
  return united;
}

std::vector<Extent> subtract(const std::vector<Extent>& from, const std::vector<Extent>& what) {
  std::vector<Extent> left;
  auto next = what.begin();
  for (Extent rest : from) {
    while (next != what.end() && next->end <= rest.begin) ++next;
    // The last one that is looked at may reach into the stretch behind this one.
    for (auto here = next; here != what.end() && here->begin < rest.end; ++here) {
      if (here->begin > rest.begin) left.push_back({rest.begin, here->begin});
      rest.begin = std::min(here->end, rest.end);
    }
    if (rest.size() > 0) left.push_back(rest);
  }
  return left;
}

std::vector<Extent> data_on_disk(int fd, uint64_t size, const Deadline& deadline) {
  std::vector<std::vector<Extent>> of_region((size + kLookedThroughAtOnce - 1) / kLookedThroughAtOnce);
  std::vector<char> told(of_region.size());
  for_each_in_parallel(of_region.size(), [&](size_t region) {
    const Extent within{region * kLookedThroughAtOnce, std::min((region + 1) * kLookedThroughAtOnce, size)};
    told[region] = add_data(fd, within, of_region[region], deadline) ? 1 : 0;
  });
  if (std::ranges::count(told, 0) > 0) return data_pieces(fd, {0, size}, size);
  std::vector<Extent> data;
  for (const std::vector<Extent>& some : of_region)
    for (const Extent& extent : some) append(data, extent);
  return data;
}

}  // namespace knaller::disk
