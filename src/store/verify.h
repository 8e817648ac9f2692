// Is a snapshot, to the bit, what was written? Reads every file of its directory, on all cores, and changes
// nothing. It takes no lock: the files are opened first, so that a removal meanwhile takes nothing away.
#ifndef KNALLER_STORE_VERIFY_H_
#define KNALLER_STORE_VERIFY_H_

#include <string>
#include <vector>

#include "store/manifest.h"
#include "store/names.h"

namespace knaller::store {

enum class Depth {
  kAll,
  kQuick,  // of files above 1 MiB only kind and size
};

struct Verification {
  bool has_digests = true;      // false: of the Go program, which wrote none
  std::vector<Damage> damages;  // the first of each file
  uint64_t checked_bytes = 0;   // that the manifest vouches for; holes do not count
};

// Throws only for what is not damage: a stop, a file system that fails, a manifest of a newer knaller.
Verification verify_snapshot(int directory, const SnapshotId& id, const Deadline& deadline,
                             const ByteProgress& progress = {}, Depth depth = Depth::kAll);

}  // namespace knaller::store

#endif  // KNALLER_STORE_VERIFY_H_
