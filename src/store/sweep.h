// What interrupted commands left in the home: the end of transactions (store/transaction.h) that nobody
// brings to theirs.
#ifndef KNALLER_STORE_SWEEP_H_
#define KNALLER_STORE_SWEEP_H_

#include <chrono>
#include <string>

#include "base/deadline.h"
#include "store/home.h"

namespace knaller::store {

// No command is held up for longer by what an engine filled with a million files: the next one goes on.
inline constexpr std::chrono::seconds kSweepTime{2};

// Removes what lies there with its lock free, and the locks of what is not there. Cheap when there is
// nothing.
void sweep(const Home& home);
// Of one hidden entry that somebody's death left, with its lock held: removes it, or gives it its name back.
void finish_interrupted(const Home& home, Kind kind, const std::string& entry, const Deadline& deadline);

}  // namespace knaller::store

#endif  // KNALLER_STORE_SWEEP_H_
