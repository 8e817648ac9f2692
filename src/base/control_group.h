// A control group of version 2: what is written into it, who is in it, and how it ends. Where one may be made
// is group_place.h's.
//
// A group made here is a leaf for somebody else's processes; whoever makes it stays outside. One thread at a
// time. Failures are Error.
#ifndef KNALLER_BASE_CONTROL_GROUP_H_
#define KNALLER_BASE_CONTROL_GROUP_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller {

struct DeviceLimit {
  std::string device;  // "8:0"
  uint64_t bytes = 0;  // a second, each for reads and writes; 0: no limit
  uint64_t operations = 0;
};

// Absent: stays as it is, at first without a limit. UINT64_MAX: no limit.
struct GroupLimits {
  std::optional<uint64_t> memory;      // bytes
  std::optional<uint64_t> swap;        // bytes, on top of the memory
  std::optional<uint64_t> processes;   // and threads
  std::optional<uint64_t> milli_cpus;  // thousandths of a processor's time, 10 at least
  std::optional<uint64_t> cpu_weight;  // 1 to 10000, against the neighbours' 100
  std::optional<DeviceLimit> device;
};

struct GroupUsage {
  std::optional<uint64_t> memory;  // bytes, page cache included
  std::optional<uint64_t> processes;
  std::optional<uint64_t> cpu_microseconds;
};

class ControlGroup {
 public:
  // A new group in the folder of a place. What processes that were killed have left there goes.
  static ControlGroup make(const std::string& folder, std::string_view name);
  ControlGroup(ControlGroup&&) noexcept = default;
  ControlGroup& operator=(ControlGroup&&) noexcept = default;
  // Removes it, unless it has processes.
  ~ControlGroup();

  int fd() const { return directory_.get(); }  // for CLONE_INTO_CGROUP
  const std::string& path() const { return path_; }

  void limit(const GroupLimits& limits) const;
  void add(pid_t process) const;
  GroupUsage usage() const;
  uint64_t memory_kills() const;  // processes that the kernel has killed because memory ran out
  // Kills everything in it, without waiting for the end.
  void kill() const;
  // Kills everything in it and removes it; kTimeout when something does not end.
  void remove(const Deadline& deadline);

 private:
  ControlGroup(std::string path, UniqueFd directory)
      : path_(std::move(path)), directory_(std::move(directory)) {}
  void write(const char* file, std::string_view text) const;
  std::optional<uint64_t> number(const char* file, std::string_view row = {}) const;
  void wait_until_empty(const Deadline& deadline) const;

  std::string path_;
  UniqueFd directory_;  // locked as long as the group is in use
};

// "8:0", the whole disk that holds an open file; nothing where there is none that can be limited (network,
// memory, several disks).
std::optional<std::string> disk_of(int fd);

}  // namespace knaller

#endif  // KNALLER_BASE_CONTROL_GROUP_H_
