#include "qemu/devices.h"

#include "base/error.h"

namespace knaller::qemu {
namespace {

constexpr std::string_view kHead("QEVM\0\0\0\3", 8);
constexpr size_t kNameLength =
    13;  // in a stream that begins with a full section: type, 4 bytes id, length of the name
constexpr size_t kNumbersBehind = 8;  // instance and version
constexpr char kFullSection = 4;
constexpr char kFooter = 0x7e;
constexpr size_t kFooterSize = 5;
// "Here comes the description of the devices", of length 0: nobody reads it when loading.
constexpr std::string_view kNoDescription("\x06\0\0\0\0", 5);

}  // namespace

std::string join_devices(std::string_view earlier_stream, std::string_view saved_devices) {
  if (!saved_devices.starts_with(kHead) || saved_devices.size() <= kNameLength ||
      saved_devices[kHead.size()] != kFullSection) {
    fail(Code::kCorrupt, "QEMU saved devices in a form that is not known");
  }
  const size_t name_length = static_cast<unsigned char>(saved_devices[kNameLength]);
  const size_t first_size = kNameLength + 1 + name_length + kNumbersBehind - kHead.size();
  const std::string_view first = saved_devices.substr(kHead.size(), first_size);
  if (first.size() != first_size) fail(Code::kCorrupt, "QEMU saved its devices incompletely");
  const size_t devices = earlier_stream.find(first);
  if (devices == std::string_view::npos || devices < kFooterSize ||
      earlier_stream[devices - kFooterSize] != kFooter) {
    fail(Code::kCorrupt, "the state that this VM was restored from does not fit the devices that QEMU saved");
  }
  std::string joined(earlier_stream.substr(0, devices));
  joined += saved_devices.substr(kHead.size());
  joined += kNoDescription;
  return joined;
}

void check_devices(std::string_view stream) {
  if (!stream.starts_with(kHead) || stream.size() < kHead.size() + kFooterSize) {
    fail(Code::kCorrupt, "the state holds no device state of QEMU");
  }
}

}  // namespace knaller::qemu
