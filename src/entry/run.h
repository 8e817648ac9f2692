// A program in a guest that is over soon and says little: what it says is collected.
#ifndef KNALLER_ENTRY_RUN_H_
#define KNALLER_ENTRY_RUN_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "entry/link.h"
#include "knaller/manager.h"

namespace knaller::entry {

struct RunOutput {
  ExecResult result;  // 126 and 127 as exec() has them, with `err` for the reason
  std::string out;
  std::string err;
};

// The agent's own program: what it does for knaller by a word ("renew").
enum class Whose { kGuests, kAgents };

// As root, once for each link. `input` has at most channel::kMostPayload bytes. kIo when it says more than
// `most` bytes, kTimeout when it takes longer.
RunOutput run(Link& link, Whose whose, const std::vector<std::string>& argv, std::string_view input,
              const Deadline& deadline, size_t most = 64 << 10);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_RUN_H_
