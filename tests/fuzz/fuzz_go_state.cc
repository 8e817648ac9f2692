#include "target.h"
#include "vm/snapshots/foreign_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace knaller;  // NOLINT
  const std::string path = vm::disk_path_of_go(fuzz::text_of(data, size));
  fuzz::require(path.empty() || (path.front() == '/' && path.ends_with("/rootfs.ext4") && path.size() < 4200),
                "no path of a disk");
  return 0;
}
