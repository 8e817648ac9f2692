#include "channel/flow.h"

#include <algorithm>

namespace knaller::channel {

void Sender::put(std::string_view bytes) {
  if (dropped_ > kWindow) {
    kept_.erase(0, dropped_);
    dropped_ = 0;
  }
  kept_.append(bytes);
}

std::string_view Sender::sendable(size_t most) const {
  const uint64_t end = std::min(begin_ + kept_.size() - dropped_, allowed_);
  if (end <= sent_) return {};
  return std::string_view(kept_).substr(dropped_ + static_cast<size_t>(sent_ - begin_),
                                        std::min<uint64_t>(end - sent_, most));
}

// Nobody can have used what was not sent, and nobody takes back what was allowed.
bool Sender::allow(uint64_t position) {
  if (position < allowed_ || position - kWindow > sent_) return false;
  allowed_ = position;
  // A receiver that has not used all that it had, and a sender that began behind that.
  if (position - kWindow <= begin_) return true;
  dropped_ += static_cast<size_t>(position - kWindow - begin_);
  begin_ = position - kWindow;
  return true;
}

bool Sender::resume(uint64_t position) {
  if (position < begin_ || position > sent_) return false;
  sent_ = position;
  return true;
}

uint64_t Sender::begin_anew() {
  sent_ = begin_;
  allowed_ = begin_ + kWindow;
  return begin_;
}

void Sender::discard(size_t bytes) {
  bytes = std::min(bytes, kept_.size() - dropped_);
  dropped_ += bytes;
  begin_ += bytes;
  sent_ = std::max(sent_, begin_);
  allowed_ = std::max(allowed_, begin_ + kWindow);
}

bool Receiver::received(size_t bytes) {
  if (bytes > told_ - received_) return false;
  received_ += bytes;
  return true;
}

}  // namespace knaller::channel
