// The pause and the whole command, with the memory read from outside compared with the engine's own dump, and
// of a VM that came from a snapshot: of the standard guest on Firecracker, of `tiny`, ready and idle, on
// QEMU.
#pragma once

#include <vector>

#include "vms.h"

namespace knaller::bench {

void measure_snapshots(const Setting& setting, const Engine& engine, std::vector<Figure>& figures);

}  // namespace knaller::bench
