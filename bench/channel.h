// What it takes to run a command in a guest, through its agent.
#pragma once

#include <vector>

#include "figures.h"
#include "vms.h"

namespace knaller::bench {

// On a guest that is up, beside ssh; and on a clone that is just being made.
void measure_channel(const Setting& setting, const Engine& engine, std::vector<Figure>& figures);

}  // namespace knaller::bench
