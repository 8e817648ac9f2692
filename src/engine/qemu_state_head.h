// The head of a state that knaller-qemu wrote (docs/formats/qemu-state.md), for its writer and for whoever
// checks whether it can be loaded.
#ifndef KNALLER_ENGINE_QEMU_STATE_HEAD_H_
#define KNALLER_ENGINE_QEMU_STATE_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace knaller::engine::qemu_state {

inline constexpr std::string_view kMagic("knaller-qemu\0\0\0", 15);
inline constexpr char kFormat = 1;  // the byte after it
inline constexpr size_t kTextSizeAt = 16;
inline constexpr size_t kDevicesSizeAt = 24;
inline constexpr size_t kHeadSize = 32;
inline constexpr size_t kFileLimit = 64 << 20;

// Members of the JSON text.
inline constexpr char kAccelerator[] = "accelerator";  // kKvm or kTcg
inline constexpr char kVersion[] = "qemu";
inline constexpr char kTscKhz[] = "tsc_khz";
inline constexpr char kSetup[] = "setup";
inline constexpr char kKvm[] = "kvm";

// 64 bits, little-endian; `bytes` has at least eight.
constexpr uint64_t number_in(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 8; i > 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  return value;
}

}  // namespace knaller::engine::qemu_state

#endif  // KNALLER_ENGINE_QEMU_STATE_HEAD_H_
