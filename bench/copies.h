// Files into a guest and out of it.
#pragma once

#include <knaller/manager.h>

#include <string>
#include <vector>

#include "figures.h"
#include "measured.h"

namespace knaller::bench {

// By that VM, which runs and has an agent.
void measure_copies(const Setting& setting, Manager& manager, const std::string& vm,
                    std::vector<Figure>& figures);

}  // namespace knaller::bench
