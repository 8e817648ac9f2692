#include "entry/streams.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/fd.h"
#include "channel/message.h"

namespace knaller::entry {
namespace {

using channel::Channel;
using channel::Kind;

constexpr size_t kChunk = 32768;

}  // namespace

void Outlet::take(std::string_view bytes) {
  if (!flow_.received(bytes.size())) fail_of_agent("sent more than it may");
  if (fd_ >= 0)
    pending_.append(bytes);
  else
    use(bytes.size());
}

void Outlet::deliver(short revents) {
  if (pending_.empty() || revents == 0) return;
  const ssize_t written = write_without_blocking(fd_, pending_);
  if (written >= 0) {
    pending_.erase(0, static_cast<size_t>(written));
    use(static_cast<size_t>(written));
  } else if (errno == EPIPE) {
    nobody_reads_ = true;
    use(pending_.size());
    pending_.clear();
    fd_ = -1;
  } else if (errno != EAGAIN && errno != EINTR) {
    fail_errno("write what the command in the guest says");
  }
}

void Outlet::use(size_t bytes) {
  flow_.used(bytes);
  link_.tell_limit(kOnlyStream, channel_, flow_);
}

void Inlet::begin_at(const std::optional<uint64_t>& position) {
  if (position) return flow_.begin_at(*position);
  fd_ = -1;
  is_of_no_use_ = true;
}

void Inlet::allow(std::string_view payload) {
  if (is_of_no_use_) return;
  const auto position = channel::decode_position(payload);
  if (!position || !flow_.allow(*position)) fail_of_agent("takes what was not sent");
}

void Inlet::forward() {
  while (link_.takes_data()) {
    const std::string_view bytes = flow_.sendable(channel::kMostPayload);
    if (bytes.empty()) break;
    link_.send({.kind = Kind::kData, .channel = Channel::kInput, .stream = kOnlyStream, .payload = bytes});
    flow_.sent(bytes.size());
  }
  if (!flow_.is_at_end() || end_told_) return;
  link_.send({.kind = Kind::kEnd, .channel = Channel::kInput, .stream = kOnlyStream, .payload = {}});
  end_told_ = true;
}

void Inlet::fetch(short revents) {
  if (revents == 0) return;
  std::array<char, kChunk> buffer;
  const ssize_t got = ::read(fd_, buffer.data(), std::min(buffer.size(), flow_.room()));
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  // EIO is a terminal that hung up: nothing more will come, as at an end of file.
  if (got < 0 && errno != EIO) fail_errno("read the input for the command in the guest");
  if (got > 0) return put({buffer.data(), static_cast<size_t>(got)});
  fd_ = -1;
  flow_.finish();
}

void Inlet::put(std::string_view bytes) {
  const size_t key = leave_key_ == '\0' ? std::string_view::npos : bytes.find(leave_key_);
  was_left_ = key != std::string_view::npos;
  flow_.put(bytes.substr(0, key));
}

pollfd Inlet::poll_entry(bool started) const {
  return {started && flow_.room() > 0 && flow_.sendable(1).empty() ? fd_ : -1, POLLIN, 0};
}

}  // namespace knaller::entry
