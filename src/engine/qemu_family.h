// knaller-qemu, which serves Firecracker's API on QEMU.
#ifndef KNALLER_ENGINE_QEMU_FAMILY_H_
#define KNALLER_ENGINE_QEMU_FAMILY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/engine_family.h"

namespace knaller::engine {

const EngineFamily& qemu_family();

// What the head of a state says.
struct QemuOrigin {
  std::string accelerator;  // "kvm" or "tcg"
  std::string version;
  uint64_t tsc_khz = 0;
};
// kCorrupt for what is not such a state. Pure.
QemuOrigin parse_qemu_origin(std::string_view state);
// `version`: of the QEMU here; empty: not known. Pure.
CheckRow qemu_state_row(const QemuOrigin& there, const std::string& version, bool kvm_usable);

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_QEMU_FAMILY_H_
