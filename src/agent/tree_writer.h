// Makes the files and folders of a copy that comes into the guest.
//
// A single file, and a folder that is new, appear under their names whole, or not at all. In a folder that
// was there already each file does. Such folders, and links to folders, stay what they are, with their modes
// and owners; a file, a link to one, and a link to nothing are replaced; devices, pipes and sockets never
// are (EEXIST).
#ifndef KNALLER_AGENT_TREE_WRITER_H_
#define KNALLER_AGENT_TREE_WRITER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/program.h"
#include "channel/copy_message.h"
#include "copy/descriptor.h"

namespace knaller::agent {

class TreeWriter {
 public:
  explicit TreeWriter(const channel::CopyRequest& request);
  // What has not got its name is removed.
  ~TreeWriter();
  TreeWriter(const TreeWriter&) = delete;
  TreeWriter& operator=(const TreeWriter&) = delete;

  // Each of these returns false when it failed; then nothing more is to come.
  bool find_place();
  bool take(const channel::CopyEntry& entry);
  bool take(const channel::CopyData& data);
  bool end_file(uint64_t size);
  // Modes and times of folders, and the name of what is new.
  bool finish();

  const StartFailure& failure() const { return failure_; }

 private:
  // Where an entry goes: a name in a folder.
  struct Slot {
    int folder = -1;
    std::string name;
  };
  bool find_place_in(copy::Descriptor folder);
  bool find_place_beside(std::string path);
  bool open_root();
  bool stage_root();
  bool slot_of(const std::string& path, Slot* slot);
  bool make_folder(const channel::CopyEntry& entry);
  bool make_file(const channel::CopyEntry& entry);
  bool make_link(const channel::CopyEntry& entry);
  bool make_hard_link(const channel::CopyEntry& entry);
  // Whether a file or link may take that name.
  bool may_replace(const Slot& slot, const std::string& path);
  // The name under which it is made: its own in a folder that is new.
  std::string name_to_make(const Slot& slot);
  bool give_name(const Slot& slot, const std::string& made, const std::string& path);
  // `has_mode`: it was made with it.
  bool set_attributes(int file, const channel::CopyEntry& entry, bool has_mode);
  mode_t mode_of(const channel::CopyEntry& entry) const;
  bool set_xattrs(int file, const channel::CopyEntry& entry);
  bool fail(const char* what, const std::string& path);

  const channel::CopyRequest& request_;
  std::string shown_;  // where the source goes, for people
  const mode_t umask_;
  StartFailure failure_;
  copy::Descriptor folder_;  // where the source goes
  std::string name_;         // under this name there
  copy::Descriptor root_;    // of a folder: what its entries are below
  std::string staged_;       // its name in folder_ until it is whole; empty: it was there already
  // The folder of the entry that came last.
  std::string parent_path_;
  copy::Descriptor parent_;
  std::vector<channel::CopyEntry> folders_;  // that were made
  // The file that is being written.
  copy::Descriptor file_;
  channel::CopyEntry file_entry_;
  uint64_t written_ = 0;  // up to there
  Slot file_slot_;
  std::string file_made_;  // its name there until it is whole
};

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_TREE_WRITER_H_
