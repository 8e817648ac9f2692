// Export and import of the standard guest's snapshot, compared with `zstd -T0 -3` on the same bytes.
#pragma once

#include <vector>

#include "vms.h"

namespace knaller::bench {

void measure_portable(const Setting& setting, const Engine& engine, std::vector<Figure>& figures);

}  // namespace knaller::bench
