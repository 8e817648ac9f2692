#include "vm/snapshots/stillness.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/file.h"
#include "net/control_link.h"
#include "net/frames.h"
#include "vm/life/boot.h"

namespace knaller::vm {
namespace {

constexpr size_t kLargestDeviceList = 1 << 20;

}  // namespace

Stillness::Stillness(const store::VmRecord& record, pid_t engine, int disk, const Deadline& deadline)
    : record_(record), engine_(engine), disk_(disk), frames_at_(frames_taken_by(record, engine)) {
  if (disk_ >= 0) disk_at_ = disk::WriteStamp::take(disk_, deadline);
}

std::string Stillness::disk_work() const {
  return disk_ < 0 || disk_at_.shows_no_write(disk_) ? ""
                                                     : "the engine wrote to the disk of its paused guest";
}

std::string Stillness::network_work() const {
  const auto frames = frames_taken_by(record_, engine_);
  if (!frames || !frames_at_) return "the kernel does not count the frames that the engine takes";
  return *frames == *frames_at_ ? "" : "the engine took frames for its paused guest";
}

std::optional<uint64_t> frames_taken_by(const store::VmRecord& record, pid_t engine) {
  std::vector<std::string> taps;
  if (const auto plan = device_plan(record)) taps.push_back(plan->tap);
  if (record.has_agent) taps.emplace_back(net::kControlTap);
  if (taps.empty()) return 0;
  const auto devices =
      read_file_if_exists(AT_FDCWD, fmt::format("/proc/{}/net/dev", engine), kLargestDeviceList);
  if (!devices) return std::nullopt;
  uint64_t frames = 0;
  for (const std::string& tap : taps) {
    const auto taken = net::frames_taken(*devices, tap);
    if (!taken) return std::nullopt;
    frames += *taken;
  }
  return frames;
}

}  // namespace knaller::vm
