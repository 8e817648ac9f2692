// Snapshots and restores compared with the Go program's, on the same engine and the same guest: 512 MiB, of
// which 128 hold random bytes.
#pragma once

#include <vector>

#include "vms.h"

namespace knaller::bench {

// Says on standard error why it can't, where the Go program or what it needs is not there.
void measure_against_go(const Setting& setting, const Engine& engine, std::vector<Figure>& figures);

}  // namespace knaller::bench
