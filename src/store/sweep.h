// What interrupted commands left in the home: finishes the transactions (store/transaction.h) that nobody
// else will.
#ifndef KNALLER_STORE_SWEEP_H_
#define KNALLER_STORE_SWEEP_H_

#include <chrono>
#include <string>

#include "base/deadline.h"
#include "store/home.h"

namespace knaller::store {

// What an engine filled with a million files holds up no command for longer than this: the next one
// continues.
inline constexpr std::chrono::seconds kSweepTime{2};

// Finishes the hidden entries whose locks nobody holds, and removes the lock files of entries that don't
// exist. Cheap when there is nothing to do.
void sweep(const Home& home);
// For one hidden entry that a killed command left, with its lock held: removes it, or gives it its name back.
void finish_interrupted(const Home& home, Kind kind, const std::string& entry, const Deadline& deadline);

}  // namespace knaller::store

#endif  // KNALLER_STORE_SWEEP_H_
