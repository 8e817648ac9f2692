#include "entry/talk.h"

#include <cerrno>

#include "base/error.h"
#include "base/poller.h"
#include "base/text.h"
#include "channel/message.h"
#include "entry/ending.h"

namespace knaller::entry {
namespace {

using channel::Frame;
using channel::Kind;

void check_end(std::string_view payload) {
  channel::End end;
  if (!channel::decode(payload, end)) fail_of_agent("says what means nothing");
  if (end.exit_code == 0) return;
  if (!end.error) fail_of_agent("ended the stream without a word");
  if (*end.error == ENOSYS)
    throw Error(Code::kUnsupported, "the agent in this guest can't do that",
                "build the image again with this knaller: knaller image build --replace");
  const std::string what = fmt::format("{} in the guest", printable(end.reason));
  if (*end.error == ESRCH) throw Error(Code::kNotFound, "cannot " + what);
  throw errno_error(*end.error, what);
}

}  // namespace

void talk(Link& link, const Deadline& deadline, const std::function<bool(const Frame&)>& take) {
  Poller poller(deadline.stop());
  bool over = false;
  while (!over) {
    Link::PollEntries entries = link.poll_entries();
    if (poller.wait(entries, deadline) == 0)
      throw Error(Code::kTimeout, "the agent in the guest did not answer in time");
    link.move(entries, [&](const Frame& frame) {
      if (frame.stream != kOnlyStream) return true;
      if (frame.kind == Kind::kEnd && frame.channel == channel::Channel::kWhole) {
        check_end(frame.payload);
        over = true;
      } else {
        over = !take(frame);
      }
      return !over;
    });
  }
}

}  // namespace knaller::entry
