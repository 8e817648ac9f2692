// What takes what a guest sends in a copy: a file or a folder of this host's, or a stream.
#ifndef KNALLER_ENTRY_TREE_RECEIVER_H_
#define KNALLER_ENTRY_TREE_RECEIVER_H_

#include <knaller/manager.h>

#include <optional>
#include <string>

#include "base/confined_tree.h"
#include "base/deadline.h"
#include "base/poller.h"
#include "channel/copy_message.h"
#include "entry/host_target.h"
#include "entry/path_name.h"

namespace knaller::entry {

class Receiver {
 public:
  virtual ~Receiver() = default;
  // What is no honest agent's is kCorrupt.
  virtual void take(const channel::CopyEntry& entry) = 0;
  virtual void take(const channel::CopyData& data) = 0;
  virtual void end_file(uint64_t size) = 0;
  // All has come.
  virtual void finish() = 0;
};

// Below one folder. What has not been finished is removed with this.
class TreeReceiver : public Receiver {
 public:
  TreeReceiver(const CopyOptions& options, PathName source) : options_(options), source_(std::move(source)) {}
  ~TreeReceiver() override;

  void take(const channel::CopyEntry& entry) override;
  void take(const channel::CopyData& data) override;
  void end_file(uint64_t size) override;
  void finish() override;

 private:
  void begin(const channel::CopyEntry& source);
  void open_tree(const channel::CopyEntry& source);
  PathParts place_of(const std::string& path) const;
  FileAttributes attributes_of(const channel::CopyEntry& entry) const;
  void check_link(const channel::CopyEntry& entry) const;

  const CopyOptions& options_;
  PathName source_;
  HostTarget target_;
  std::string staged_;  // a new folder's name until it is whole
  std::optional<ConfinedTree> tree_;
  bool is_folder_ = false;
  std::optional<ConfinedTree::File> file_;
  channel::CopyEntry file_entry_;
};

// Whether a link, which lies so many folders below the source, leads to something in it, whatever other links
// there are: up as far as the source at most, and only then down. Pure.
bool stays_inside(size_t depth, std::string_view target);

// One file's content, without holes.
class StreamReceiver : public Receiver {
 public:
  StreamReceiver(const CopyOptions& options) : options_(options), poller_(options.stop) {}

  void take(const channel::CopyEntry& entry) override;
  void take(const channel::CopyData& data) override;
  void end_file(uint64_t size) override;
  void finish() override;

 private:
  void write(std::string_view bytes);
  void write_zeros_up_to(uint64_t position);

  const CopyOptions& options_;
  Poller poller_;
  bool is_open_ = false;
  bool is_done_ = false;
  uint64_t position_ = 0;
};

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_TREE_RECEIVER_H_
