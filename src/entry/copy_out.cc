#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "entry/copy.h"
#include "entry/copy_link.h"
#include "entry/path_name.h"
#include "entry/tree_receiver.h"

namespace knaller::entry {
namespace {

using channel::CopyEntry;
using channel::Frame;
using channel::Kind;

class Download {
 public:
  Download(Receiver& receiver, const CopyOptions& options, const CopyProgress& progress)
      : receiver_(receiver), options_(options), count_(progress) {}

  void take(const Frame& frame) {
    if (frame.kind == Kind::kEntry) {
      CopyEntry entry;
      if (!channel::decode(frame.payload, entry)) fail_of_agent("sent an entry that means nothing");
      count_.add(entry);
      receiver_.take(entry);
    } else if (frame.kind == Kind::kData) {
      const auto data = channel::decode_copy_data(frame.payload);
      if (!data) fail_of_agent("sent content that means nothing");
      count_.add_bytes(data->bytes.size());
      if (count_.summary().bytes > options_.max_bytes) fail_of_size(options_.max_bytes);
      receiver_.take(*data);
    } else if (frame.kind == Kind::kEnd) {
      const auto size = channel::decode_position(frame.payload);
      if (!size) fail_of_agent("sent an end that means nothing");
      receiver_.end_file(*size);
    }
  }

  CopySummary finish() {
    receiver_.finish();
    return count_.summary();
  }

 private:
  Receiver& receiver_;
  const CopyOptions& options_;
  CopyCount count_;
};

}  // namespace

CopySummary copy_from_guest(Link link, const CopyOptions& options, const CopyProgress& progress,
                            const Deadline& start) {
  std::unique_ptr<Receiver> receiver;
  if (options.stream_fd >= 0)
    receiver = std::make_unique<StreamReceiver>(options);
  else
    receiver = std::make_unique<TreeReceiver>(options, split_path(options.guest_path, "in the guest"));
  CopyLink conversation(std::move(link),
                        {.direction = channel::CopyRequest::Direction::kOut,
                         .user = options.user,
                         .group = "",
                         .path = options.guest_path,
                         .name = "",
                         .keep_xattrs = options.xattrs,
                         .keep_links = options.links,
                         .count = progress != nullptr},
                        start);
  Download download(*receiver, options, progress);
  conversation.receive([&](const Frame& frame) { download.take(frame); });
  return download.finish();
}

}  // namespace knaller::entry
