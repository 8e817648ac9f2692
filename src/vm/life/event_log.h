// A VM's event log, read through its rotations: no line is lost or comes twice, as long as it is read at
// least once in two rotations (some thousand events).
//
// Not thread-safe. The files are the monitor's: no engine and no guest can reach them.
#ifndef KNALLER_VM_LIFE_EVENT_LOG_H_
#define KNALLER_VM_LIFE_EVENT_LOG_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace knaller::vm {

class EventLog {
 public:
  using TakeLine = std::function<void(std::string_view line)>;

  // Of the VM whose directory that is; it may be renamed or removed meanwhile.
  explicit EventLog(UniqueFd directory) : directory_(std::move(directory)) {}

  int directory() const { return directory_.get(); }
  // The file that is being written now, as of the last read(); -1 while there is none.
  int file() const { return file_.get(); }
  // How many there have been: when it changes, so has file().
  uint64_t files() const { return files_; }
  // What was added since the last call, the first time all that there is: whole lines, without their newline.
  void read(const TakeLine& take);

 private:
  void begin(const TakeLine& take);
  bool move_on(const TakeLine& take);
  void go_on_with(UniqueFd file);
  void drain(int file, uint64_t& offset, const TakeLine& take);
  void take_text(std::string_view text, const TakeLine& take);

  UniqueFd directory_;
  UniqueFd file_;
  uint64_t files_ = 0;
  uint64_t offset_ = 0;
  std::string
      rest_;  // of a line whose end is not there yet; older monitors cut lines in two when they rotate
};

}  // namespace knaller::vm

#endif  // KNALLER_VM_LIFE_EVENT_LOG_H_
