#include "entry/talk.h"

#include "base/error.h"
#include "base/poller.h"
#include "entry/ending.h"

namespace knaller::entry {
namespace {

using channel::Frame;
using channel::Kind;

}  // namespace

void talk(Link& link, const Deadline& deadline, const std::function<bool(const Frame&)>& take,
          std::string_view too_late) {
  Poller poller(deadline.stop());
  bool over = false;
  while (!over) {
    Link::PollEntries entries = link.poll_entries();
    if (poller.wait(entries, deadline) == 0) throw Error(Code::kTimeout, std::string(too_late));
    link.move(entries, [&](const Frame& frame) {
      if (frame.stream != kOnlyStream) return true;
      if (frame.kind == Kind::kEnd && frame.channel == channel::Channel::kWhole) {
        require_done(frame.payload);
        over = true;
      } else {
        over = !take(frame);
      }
      return !over;
    });
  }
}

}  // namespace knaller::entry
