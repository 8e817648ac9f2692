#include "entry/run.h"

#include <optional>

#include "base/error.h"
#include "base/poller.h"
#include "base/text.h"
#include "channel/flow.h"
#include "entry/ending.h"

namespace knaller::entry {
namespace {

using channel::Channel;
using channel::Frame;
using channel::Kind;

class Run {
 public:
  Run(Link& link, size_t most) : link_(link), most_(most) {}

  void begin(Whose whose, const std::vector<std::string>& argv, std::string_view input) {
    link_.open(kOnlyStream,
               channel::encode(channel::ExecRequest{
                   .session = random_bytes(16), .arguments = argv, .own = whose == Whose::kAgents}));
    if (!input.empty())
      link_.send({.kind = Kind::kData, .channel = Channel::kInput, .stream = kOnlyStream, .payload = input});
    link_.send({.kind = Kind::kEnd, .channel = Channel::kInput, .stream = kOnlyStream, .payload = {}});
  }

  RunOutput finish(const Deadline& deadline) {
    Poller poller(deadline.stop());
    while (!end_) {
      Link::PollEntries entries = link_.poll_entries();
      if (poller.wait(entries, deadline) == 0)
        throw Error(Code::kTimeout, "a program in the guest did not end in time");
      link_.move(entries, [this](const Frame& frame) {
        take(frame);
        return true;
      });
    }
    Ending ending = ending_of(*end_);
    if (!ending.why_not_run.empty()) errors_.text = ending.why_not_run;
    return {.result = ending.result, .out = std::move(output_.text), .err = std::move(errors_.text)};
  }

 private:
  struct Collected {
    channel::Receiver flow;
    std::string text;
  };

  void take(const Frame& frame) {
    if (frame.stream != kOnlyStream || end_) return;
    if (frame.kind == Kind::kData && frame.channel == Channel::kOutput) collect(output_, frame);
    if (frame.kind == Kind::kData && frame.channel == Channel::kError) collect(errors_, frame);
    if (frame.kind != Kind::kEnd || frame.channel != Channel::kWhole) return;
    if (!channel::decode(frame.payload, end_.emplace())) fail_of_agent("says what means nothing");
  }

  void collect(Collected& collected, const Frame& frame) {
    if (!collected.flow.received(frame.payload.size())) fail_of_agent("sent more than it may");
    if (collected.text.size() + frame.payload.size() > most_)
      throw Error(Code::kIo, "a program in the guest says more than it should");
    collected.text.append(frame.payload);
    collected.flow.used(frame.payload.size());
    link_.tell_limit(kOnlyStream, frame.channel, collected.flow);
  }

  Link& link_;
  size_t most_;
  Collected output_;
  Collected errors_;
  std::optional<channel::End> end_;
};

}  // namespace

RunOutput run(Link& link, Whose whose, const std::vector<std::string>& argv, std::string_view input,
              const Deadline& deadline, size_t most) {
  if (input.size() > channel::kMostPayload)
    fail(Code::kInternal, "the input of a program in the guest is too long");
  Run run(link, most);
  run.begin(whose, argv, input);
  return run.finish(deadline);
}

}  // namespace knaller::entry
