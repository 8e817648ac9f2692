// Snapshots of the standard guest, 512 MiB with 128 MiB of random bytes in memory: the pause and the whole
// command, with the memory read from outside beside the engine's own dump, and of a VM that came from a
// snapshot.
#pragma once

#include <vector>

#include "vms.h"

namespace knaller::bench {

void measure_snapshots(const Setting& setting, const Engine& engine, std::vector<Figure>& figures);

}  // namespace knaller::bench
