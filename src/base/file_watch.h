// inotify(7): what changes in folders and files, as it happens. One thread at a time.
//
// A user has few instances (fs.inotify.max_user_instances, usually 128), so a program makes one and watches
// everything with it.
#ifndef KNALLER_BASE_FILE_WATCH_H_
#define KNALLER_BASE_FILE_WATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

namespace knaller {

class FileWatch {
 public:
  struct Change {
    int watch = -1;
    uint32_t mask = 0;  // IN_CREATE, …; with IN_Q_OVERFLOW changes were lost, and `watch` is -1
    std::string name;   // in the watched folder; empty: the watched thing itself
  };

  // kExhausted when the user has no instance left.
  FileWatch();

  // Readable while there is something for read().
  int fd() const { return fd_.get(); }
  // Watches what is open as `fd`, whatever its name is or becomes. Returns the same number for what is
  // watched already.
  int add(int fd, uint32_t mask);
  // A watch that the kernel has removed, since its file is gone, is no error. Its changes may still be in the
  // queue.
  void remove(int watch);
  // All that is there; empty when there is nothing. Never waits.
  std::vector<Change> read();

 private:
  UniqueFd fd_;
};

}  // namespace knaller

#endif  // KNALLER_BASE_FILE_WATCH_H_
