// Sends a file, or a folder with all that is in it, as the entries and content of a copy
// (channel/copy_message.h). Both knaller and the agent in a guest send by this; it has no exceptions.
//
// Nothing is changed, and no link below the source is followed. What changes meanwhile is sent as far as it
// was there: a file that grows, as long as it was when it was opened.
#ifndef KNALLER_COPY_TREE_SENDER_H_
#define KNALLER_COPY_TREE_SENDER_H_

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "channel/copy_message.h"
#include "channel/frame.h"
#include "copy/descriptor.h"

namespace knaller::copy {

struct Failure {
  int error = 0;     // an errno
  std::string what;  // "open 'shadow'"
};

// What a copy begins with.
struct Source {
  Descriptor file;     // none for a link
  struct stat status;  // of what a link leads to, unless it is to be kept
  std::string link;    // where it leads, if that is what is sent
};
// Follows links, the last one only if it is not to be kept, or a slash behind it asks for that. Opening does
// not wait for the other side of a pipe. Returns nothing with the failure. ENOTDIR: a slash is behind a path
// that is no folder's.
bool open_source(int folder, const std::string& path, bool keep_link, Source* source, Failure* failure);

// Takes a frame; false: nobody wants more. The payload is the sender's.
using FrameTaker = std::function<bool(const channel::Frame&)>;

struct SendOptions {
  uint16_t stream = 0;
  channel::Channel channel = channel::Channel::kInput;  // of the data
  bool xattrs = false;
  bool count = false;  // look at all of it first, and say how much there is
};

class TreeSender {
 public:
  TreeSender(SendOptions options, FrameTaker take)
      : options_(options), take_(std::move(take)), data_(sizeof(uint64_t) + channel::kMostCopyBytes, 0) {}

  // Everything; without the end of the stream. False: it failed, or nobody wanted more (then failure() has no
  // error).
  bool send(const Source& source);
  // As a file of unknown length, what can be read until the end: a pipe's content, for example. `wait`: until
  // there is something to read; false gives up.
  bool send_stream(int input, uint32_t mode, const std::function<bool()>& wait);

  const Failure& failure() const { return failure_; }

 private:
  bool send_file(int file, const std::string& path, const struct stat& status);
  bool send_content(int file, const std::string& path, uint64_t size, uint64_t* end);
  bool send_until_end(int file, const std::string& path, const std::function<bool()>& wait, uint64_t* end);
  bool send_folder(int folder, const std::string& path, const struct stat& status);
  bool send_child(int folder, const std::string& name, const std::string& path);
  bool send_link(const std::string& path, const struct stat& status, std::string target);
  bool send_note(channel::CopyEntry::Kind kind, const std::string& path);
  bool send_entry(const channel::CopyEntry& entry);
  bool send_end(uint64_t size);
  bool send_data(uint64_t at, size_t bytes);
  bool read_xattrs(int file, const std::string& path, channel::CopyEntry* entry);
  channel::CopyEntry entry_of(channel::CopyEntry::Kind kind, const std::string& path,
                              const struct stat& status);
  bool fail(const char* what, const std::string& path);

  SendOptions options_;
  FrameTaker take_;
  Failure failure_;
  // Files of several names: the first one's path.
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;
  std::string data_;  // a frame's payload, in which there is room for all that it may have
};

}  // namespace knaller::copy

#endif  // KNALLER_COPY_TREE_SENDER_H_
