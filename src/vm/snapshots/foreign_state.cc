#include "vm/snapshots/foreign_state.h"

#include "store/names.h"

namespace knaller::vm {
namespace {

constexpr size_t kIdLength = 13;  // snap_0a1b2c3d
constexpr size_t kLongestPath = 4096;

}  // namespace

std::string disk_path_of_go(std::string_view state) {
  constexpr std::string_view kFolder = "/snapshots/";
  constexpr std::string_view kDisk = "/rootfs.ext4";
  for (size_t found = state.find(kFolder); found != std::string_view::npos;
       found = state.find(kFolder, found + 1)) {
    const size_t id = found + kFolder.size();
    const size_t end = id + kIdLength + kDisk.size();
    if (end > state.size() || !store::SnapshotId::is_valid(state.substr(id, kIdLength)) ||
        state.substr(id + kIdLength, kDisk.size()) != kDisk)
      continue;
    size_t begin = found;
    while (begin > 0 && state[begin - 1] >= ' ' && state[begin - 1] <= '~' && found - begin < kLongestPath)
      --begin;
    begin = state.find('/', begin);
    return std::string(state.substr(begin, end - begin));
  }
  return {};
}

}  // namespace knaller::vm
