// What a snapshot of a live guest costs: how long it stands still, measured by knaller and by somebody who
// listens to it, the disk that snapshots take, and how fast they are verified.
#pragma once

#include <vector>

#include "figures.h"
#include "vms.h"

namespace knaller::bench {

void measure_snapshot_costs(const Setting& setting, const Engine& engine, std::vector<Figure>& figures);

}  // namespace knaller::bench
