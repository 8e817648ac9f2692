// The rows of a preflight that only compare: pure.
#ifndef KNALLER_VM_SNAPSHOTS_PREFLIGHT_ROWS_H_
#define KNALLER_VM_SNAPSHOTS_PREFLIGHT_ROWS_H_

#include <cstdint>

#include "base/free_space.h"
#include "knaller/types.h"
#include "store/cpu.h"

namespace knaller::vm {

CheckRow cpu_row(const store::CpuIdentity& there, const store::CpuIdentity& here);

enum class TscUse {
  kScaled,    // the processor gives a guest a rate of its own
  kAsItIs,    // KVM without that
  kEmulated,  // the guest counts the host's ticks
};
CheckRow tsc_row(uint64_t there_khz, uint64_t here_khz, TscUse use);

// Bytes. `touched`: what the guest had touched by its snapshot; `whole`: all of its memory.
struct MemoryNeed {
  uint64_t touched = 0;
  uint64_t whole = 0;
};
CheckRow memory_row(uint64_t total, uint64_t available, const MemoryNeed& need);
CheckRow vcpus_row(uint32_t here, uint32_t wanted);
CheckRow space_row(const FreeSpace& space, uint64_t needed);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_PREFLIGHT_ROWS_H_
