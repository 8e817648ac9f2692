// What comes over the channel between knaller and a guest's agent, at either end. The first byte says what
// follows:
//
//   'f' frames, in pieces whose size the second byte gives, and what their payloads say
//   's' what a receiver says to a sender
#include <algorithm>
#include <string>

#include "channel/copy_message.h"
#include "channel/flow.h"
#include "channel/frame.h"
#include "channel/message.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

// What is understood is said again in the same words' meaning.
template <typename Message>
void read_message(std::string_view payload) {
  Message message, again;
  if (!channel::decode(payload, message)) return;
  const std::string said = channel::encode(message);
  fuzz::require(channel::decode(said, again) && channel::encode(again) == said,
                "it does not say what it read");
}

void read_payload(const channel::Frame& frame) {
  read_message<channel::Hello>(frame.payload);
  read_message<channel::ExecRequest>(frame.payload);
  read_message<channel::AttachRequest>(frame.payload);
  read_message<channel::Event>(frame.payload);
  read_message<channel::End>(frame.payload);
  read_message<channel::CopyRequest>(frame.payload);
  read_message<channel::CopyEntry>(frame.payload);
  channel::decode_copy_data(frame.payload);
  channel::service_of(frame.payload);
}

std::string frames_in(std::string_view text, size_t piece) {
  channel::FrameReader reader;
  std::string seen;
  for (size_t at = 0; at < text.size(); at += piece) {
    reader.feed(text.substr(at, piece));
    while (const auto frame = reader.next()) {
      read_payload(*frame);
      channel::append(seen, *frame);
    }
  }
  fuzz::require(text.starts_with(seen), "the frames are not what came");
  return seen;
}

void read_frames(std::string_view text) {
  if (text.empty()) return;
  const size_t piece = 1 + static_cast<uint8_t>(text[0]);
  text.remove_prefix(1);
  fuzz::require(frames_in(text, piece) == frames_in(text, std::max<size_t>(text.size(), 1)),
                "pieces say something else");
}

// Whatever it says, no byte is sent twice to one who has it, and what is kept is bounded.
void hear_receiver(std::string_view text) {
  channel::Sender sender;
  while (text.size() >= 9) {
    const uint64_t number = channel::decode_position(text.substr(1, 8)).value_or(0);
    switch (text[0] % 4) {
      case 0:
        sender.allow(number);
        break;
      case 1:
        sender.resume(number);
        break;
      case 2:
        sender.put(std::string(std::min<size_t>(sender.room(), number % (64 << 10)), 'x'));
        break;
      default:
        sender.sent(sender.sendable(number % (64 << 10)).size());
    }
    fuzz::require(sender.room() <= channel::kWindow, "more is kept than a window");
    text.remove_prefix(9);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data, size).substr(1);
  if (data[0] == 'f') read_frames(text);
  if (data[0] == 's') hear_receiver(text);
  return 0;
}
