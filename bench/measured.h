// The pause of a snapshot and what it is compared with.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "figures.h"
#include "knaller/manager.h"
#include "vms.h"

namespace knaller::bench {

// A Manager, and how long the engine took to save its state at the last snapshot.
struct Measured {
  explicit Measured(const Setting& asked);

  const Setting& setting;
  double state = 0;
  Manager manager;
};

struct Pause {
  double whole = 0;
  double state = 0;  // of that, the engine's own
};

// Of one snapshot, which is removed again.
Pause pause_of(Measured& measured, const std::string& vm);

// Adds a figure of the pauses of a guest that does nothing any more, divided by their bar: the engine's own
// state save, the memory at 3 GiB/s, and 3 ms. Returns the pauses in milliseconds.
std::vector<double> compare_pauses(Measured& measured, const std::string& vm, const std::string& what,
                                   int count, std::vector<Figure>& figures);

}  // namespace knaller::bench
