// A stream of a few frames, until its end or until nobody wants more.
#ifndef KNALLER_ENTRY_TALK_H_
#define KNALLER_ENTRY_TALK_H_

#include <functional>
#include <string_view>

#include "base/deadline.h"
#include "entry/link.h"

namespace knaller::entry {

// Hands the only stream's frames on until `take` says that there are enough, or the stream has ended well.
// kTimeout with `too_late` for a message, and as the agent says why it could not be done.
void talk(Link& link, const Deadline& deadline, const std::function<bool(const channel::Frame&)>& take,
          std::string_view too_late = "the agent in the guest did not answer in time");

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_TALK_H_
