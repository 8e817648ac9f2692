// Where a long stream of bytes goes: a pipe or the like, or a file that appears when it is whole. Waits for a
// slow reader in a way that the deadline's stop interrupts.
#ifndef KNALLER_VM_SNAPSHOTS_OUTPUT_FILE_H_
#define KNALLER_VM_SNAPSHOTS_OUTPUT_FILE_H_

#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller::vm {

class OutputStream {
 public:
  // The descriptor stays the caller's.
  explicit OutputStream(int fd);
  void write(std::string_view data, const Deadline& deadline);
  uint64_t written() const { return written_; }

 private:
  int fd_;
  UniqueFd own_;  // another description of the caller's pipe, which does not block
  bool is_socket_ = false;
  uint64_t written_ = 0;
};

// A file without a name until publish() gives it one. Where the file system can't do that, it has a temporary
// name next to the final one, which the destructor removes.
class OutputFile {
 public:
  enum class Existing { kRefused, kReplaced };
  OutputFile(const std::string& path, Existing existing);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  int fd() const { return fd_.get(); }
  // Durably.
  void publish();

 private:
  void link_as(const std::string& name);

  std::string path_;
  std::string name_;
  Existing existing_;
  UniqueFd folder_;
  UniqueFd fd_;
  std::string temporary_;  // the name that it has for now, if any
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_OUTPUT_FILE_H_
