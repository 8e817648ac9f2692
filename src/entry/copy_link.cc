#include "entry/copy_link.h"

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "entry/ending.h"

namespace knaller::entry {
namespace {

using channel::CopyEntry;
using channel::Frame;
using channel::Kind;

void ignore(const Frame&) {}

void remember(std::vector<std::string>& paths, const std::string& path) {
  if (paths.size() < kMostCopyNotes) paths.push_back(path);
}

}  // namespace

CopyLink::CopyLink(Link link, const channel::CopyRequest& request, const Deadline& start)
    : link_(std::move(link)), poller_(start.stop()), start_(start) {
  link_.open(kOnlyStream, channel::encode(request));
}

void CopyLink::wait_for_start() {
  while (!started_ && !end_) exchange(-1, ignore);
  if (end_) require_done(*end_);
}

bool CopyLink::put(const Frame& frame) {
  link_.send(frame);
  while (!link_.takes_data() && !end_) exchange(-1, ignore);
  return !end_;
}

bool CopyLink::wait_for_input(int fd) {
  while (!end_)
    if (exchange(fd, ignore)) return true;
  return false;
}

void CopyLink::receive(const Take& take) {
  while (!end_) exchange(-1, take);
  require_done(*end_);
}

// Whether there is something to read from `also`.
bool CopyLink::exchange(int also, const Take& take) {
  const Link::PollEntries link = link_.poll_entries();
  std::array<pollfd, 3> entries{link[0], link[1], pollfd{also, POLLIN, 0}};
  if (poller_.wait(entries, started_ ? Deadline::never(start_.stop()) : start_) == 0)
    throw Error(Code::kTimeout, "the agent in the guest did not begin the copy in time");
  link_.move(std::span(entries).first<2>(), [&](const Frame& frame) {
    this->take(frame, take);
    return !end_;
  });
  return entries[2].revents != 0;
}

void CopyLink::take(const Frame& frame, const Take& take) {
  if (frame.stream != kOnlyStream) return;
  if (frame.kind == Kind::kEvent) {
    channel::Event event;
    if (!channel::decode(frame.payload, event)) fail_of_agent("says what means nothing");
    started_ = started_ || event.started.has_value();
  } else if (frame.kind == Kind::kEnd && frame.channel == channel::Channel::kWhole) {
    channel::End end;
    if (!channel::decode(frame.payload, end)) fail_of_agent("says what means nothing");
    end_ = std::move(end);
  } else {
    take(frame);
  }
}

void CopyCount::add(const CopyEntry& entry) {
  switch (entry.kind) {
    case CopyEntry::Kind::kFile:
    case CopyEntry::Kind::kFolder:
    case CopyEntry::Kind::kLink:
    case CopyEntry::Kind::kHardLink:
      ++summary_.files;
      if (entry.total != 0) total_ = entry.total;
      break;
    case CopyEntry::Kind::kLeftOut:
      remember(summary_.left_out, entry.path);
      break;
    case CopyEntry::Kind::kVanished:
      remember(summary_.vanished, entry.path);
      break;
    case CopyEntry::Kind::kChanged:
      remember(summary_.changed, entry.path);
      break;
  }
}

void CopyCount::add_bytes(uint64_t bytes) {
  summary_.bytes += bytes;
  if (progress_) progress_(summary_.bytes, total_);
}

void fail_of_size(uint64_t most) {
  throw Error(Code::kExhausted, fmt::format("there is more to copy than {} may be", format_bytes(most)),
              "allow more: --max-size");
}

}  // namespace knaller::entry
