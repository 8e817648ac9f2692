// What a guest says. The first byte says what follows: 'r' the answer to a renewal, else the frames of a
// copy, of which an 'l' keeps all links.
#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "channel/frame.h"
#include "channel/message.h"
#include "entry/renew.h"
#include "entry/tree_receiver.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

// A folder with one in it, into which everything goes.
class Around {
 public:
  Around() {
    // In memory, where there is such a place.
    const std::string where = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    path_ = where + "/knaller-fuzz.XXXXXX";
    fuzz::require(::mkdtemp(path_.data()) != nullptr, "no temporary folder");
    around_ = open_directory(path_);
  }
  ~Around() { std::filesystem::remove_all(path_); }

  std::string make_target() {
    remove_tree(around_.get(), "target");
    make_directories(path_ + "/target");
    return path_ + "/target";
  }
  void check() const {
    fuzz::require(list_directory(around_.get()) == std::vector<std::string>{"target"},
                  "something was made outside of the folder");
  }

 private:
  std::string path_;
  UniqueFd around_;
};

bool take(entry::TreeReceiver& receiver, const channel::Frame& frame) {
  if (frame.kind == channel::Kind::kEntry) {
    channel::CopyEntry entry;
    if (!channel::decode(frame.payload, entry)) return false;
    receiver.take(entry);
  } else if (frame.kind == channel::Kind::kData) {
    const auto data = channel::decode_copy_data(frame.payload);
    if (!data) return false;
    receiver.take(*data);
  } else if (frame.kind == channel::Kind::kEnd) {
    const auto size = channel::decode_position(frame.payload);
    if (!size) return false;
    receiver.end_file(*size);
  }
  return true;
}

void copy(std::string_view text, bool with_links) {
  static Around around;
  CopyOptions options;
  options.guest_path = "/source";
  options.host_path = around.make_target();
  options.links = with_links;
  options.archive = with_links;
  channel::FrameReader reader;
  reader.feed(text);
  try {
    entry::TreeReceiver receiver(options, entry::split_path(options.guest_path, "in the guest"));
    while (const auto frame = reader.next())
      if (!take(receiver, *frame)) break;
    receiver.finish();
  } catch (const Error& error) {
    // Names may be too long for the host, or be those of folders already.
    fuzz::require(error.code() != Code::kInternal, error.what());
  }
  around.check();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data, size).substr(1);
  if (data[0] != 'r') {
    copy(text, data[0] == 'l');
  } else {
    entry::parse_renewal(std::string(text));
  }
  return 0;
}
