// The state file of a snapshot that knaller-qemu wrote: what machine it was, and QEMU's device state.
//
//   offset 0   16 bytes  "knaller-qemu\0\0\0\1", the last byte is the format
//          16   8 bytes  J, size of the JSON text, little-endian
//          24   8 bytes  D, size of the device stream, little-endian
//          32   J bytes  JSON, UTF-8: {"accelerator","qemu","setup","tsc_khz"}
//        32+J   D bytes  the device stream, as QEMU's migration code wrote it (devices.h)
//      32+J+D   8 bytes  CRC-64/XZ of all that is before it, little-endian
//
// Nothing follows. Pure; everything that decode() is given is hostile.
#ifndef KNALLER_QEMU_STATE_FILE_H_
#define KNALLER_QEMU_STATE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/qemu_state_head.h"

namespace knaller::qemu {

inline constexpr int kStateFormat = engine::qemu_state::kFormat;
inline constexpr uint64_t kStateFileLimit = engine::qemu_state::kFileLimit;

struct State {
  std::string setup;         // JSON: firecracker::setup_to_json()
  std::string accelerator;   // "kvm" or "tcg"
  std::string qemu_version;  // "7.2.22"
  uint64_t tsc_khz = 0;      // of the host on which it was written
  std::string devices;
};

std::string encode_state(const State& state);
// Throws kCorrupt, or kUnsupported for another format and for Firecracker's own states; the message says
// which.
State decode_state(std::string_view bytes);

uint64_t crc64(std::string_view bytes);

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_STATE_FILE_H_
