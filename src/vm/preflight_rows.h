// The rows of a preflight that only compare: pure.
#ifndef KNALLER_VM_PREFLIGHT_ROWS_H_
#define KNALLER_VM_PREFLIGHT_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "knaller/types.h"
#include "store/cpu.h"

namespace knaller::vm {

CheckRow passed(std::string name, std::string detail);
CheckRow doubtful(std::string name, std::string detail, std::string remedy = {});
CheckRow refused(std::string name, Code code, std::string detail, std::string remedy = {});
// One that --force passes over.
CheckRow judged(std::string name, Code code, std::string detail, std::string remedy = {});

struct StateOrigin {
  std::string version;         // of the state; empty: not noted
  std::string engine_version;  // of its Firecracker; empty: not noted
};
// Firecracker reads a state of the same major number and of no larger minor number than its own.
CheckRow firecracker_state_row(const StateOrigin& there, const StateOrigin& here);

// What the head of a state of knaller-qemu says (docs/formats/qemu-state.md).
struct QemuOrigin {
  std::string accelerator;
  std::string version;
  uint64_t tsc_khz = 0;
};
// Throws kCorrupt for what is no such state.
QemuOrigin parse_qemu_origin(std::string_view state);
// `version`: of the QEMU here; empty: not known.
CheckRow qemu_state_row(const QemuOrigin& there, const std::string& version, bool kvm_usable);

CheckRow cpu_row(const store::CpuIdentity& there, const store::CpuIdentity& here);

enum class TscUse {
  kScaled,    // the processor gives a guest a rate of its own
  kAsItIs,    // KVM without that
  kEmulated,  // the guest counts the host's ticks
};
CheckRow tsc_row(uint64_t there_khz, uint64_t here_khz, TscUse use);

// Bytes. `total`: what the host has; `touched`: what the guest had touched by its snapshot.
struct MemoryNeed {
  uint64_t touched = 0;
  uint64_t whole = 0;
};
CheckRow memory_row(uint64_t total, uint64_t available, const MemoryNeed& need);
CheckRow vcpus_row(uint32_t here, uint32_t wanted);
CheckRow space_row(uint64_t available, uint64_t needed, bool may_share);

}  // namespace knaller::vm

#endif  // KNALLER_VM_PREFLIGHT_ROWS_H_
