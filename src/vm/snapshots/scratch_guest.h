// A guest of a few instructions, for trying an engine: a kernel that keeps writing to its memory.
#ifndef KNALLER_VM_SNAPSHOTS_SCRATCH_GUEST_H_
#define KNALLER_VM_SNAPSHOTS_SCRATCH_GUEST_H_

#include <cstdint>
#include <string>

namespace knaller::vm {

// What it writes to, over and over, a word in each page: 16 to 24 MiB.
constexpr uint64_t kScratchGuestWrites = 8 << 20;
constexpr uint64_t kScratchGuestMemoryMib = 64;

// As an ELF file that every engine boots: Firecracker enters it in 64-bit mode or, from 1.12 on, through its
// PVH note in 32-bit mode, which other engines use. Its instructions mean the same in both.
std::string scratch_guest_kernel();

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_SCRATCH_GUEST_H_
