// The raw cost: an engine started in a folder that holds its files already, and the requests that any manager
// must send it.
#pragma once

#include <string>
#include <vector>

#include "firecracker/request.h"

namespace knaller::bench {

// A fresh folder below `parent` with what a VM's jail holds: its private disk copied, everything else linked.
std::string make_engine_folder(const std::string& parent, const std::string& jail);

// Milliseconds from before the engine's process exists until it has answered the last request. The engine is
// then ended.
double time_raw_engine(const std::string& binary, const std::string& folder,
                       const std::vector<firecracker::Request>& requests);

}  // namespace knaller::bench
