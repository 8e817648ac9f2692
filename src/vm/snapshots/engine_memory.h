#ifndef KNALLER_VM_SNAPSHOTS_ENGINE_MEMORY_H_
#define KNALLER_VM_SNAPSHOTS_ENGINE_MEMORY_H_

#include <sys/types.h>

#include <cstdint>

namespace knaller::vm {

// How many nodes of the marks that pages of its disk left in the page cache (TouchedPages) the host keeps at
// least while this engine runs. Linux keeps, for a control group, an eighth as many as the group has pages in
// memory, and drops the oldest first (scan_shadow_nodes()). The engine's own memory is among those pages.
// Returns half of that, since the kernel's counts are late; 0 where the pages may be on another memory node
// than the marks.
uint64_t cache_marks_kept(pid_t engine);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_ENGINE_MEMORY_H_
