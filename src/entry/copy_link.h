// The conversation of one copy with the agent: the request, frames in or out, and how it ended.
#ifndef KNALLER_ENTRY_COPY_LINK_H_
#define KNALLER_ENTRY_COPY_LINK_H_

#include <functional>
#include <optional>

#include "base/deadline.h"
#include "base/poller.h"
#include "channel/copy_message.h"
#include "entry/copy.h"
#include "entry/link.h"

namespace knaller::entry {

class CopyLink {
 public:
  // `start`: until when the agent must have begun; its token ends the copy.
  CopyLink(Link link, const channel::CopyRequest& request, const Deadline& start);

  // Returns once the agent has begun. Throws what kept it from that.
  void wait_for_start();

  // As soon as there is room. False: the agent has ended the copy.
  bool put(const channel::Frame& frame);
  // Until there is something to read from the descriptor. False: the agent has ended the copy.
  bool wait_for_input(int fd);
  // The agent's part of the copy, frame by frame, until it has ended. Throws why it failed.
  using Take = std::function<void(const channel::Frame&)>;
  void receive(const Take& take);

 private:
  void take(const channel::Frame& frame, const Take& take);
  bool exchange(int also, const Take& take);

  Link link_;
  Poller poller_;
  Deadline start_;
  bool started_ = false;
  std::optional<channel::End> end_;
};

// Counts what is copied, and tells of it.
class CopyCount {
 public:
  explicit CopyCount(const CopyProgress& progress) : progress_(progress) {}
  void add(const channel::CopyEntry& entry);
  void add_bytes(uint64_t bytes);
  const CopySummary& summary() const { return summary_; }

 private:
  const CopyProgress& progress_;
  uint64_t total_ = 0;
  CopySummary summary_;
};

[[noreturn]] void fail_of_size(uint64_t most);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_COPY_LINK_H_
