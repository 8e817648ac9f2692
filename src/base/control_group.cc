#include "base/control_group.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {
namespace {

// Groups of this program's, whoever made the folder that they are in.
constexpr std::string_view kPrefix = "knaller-";
constexpr uint64_t kNone = UINT64_MAX;
constexpr uint64_t kPeriod = 100'000;  // microseconds; the kernel's own
constexpr int kAttempts = 16;

std::string number_or_max(uint64_t value) {
  return value == kNone ? "max" : fmt::format("{}", value);
}

// "100000 100000": one processor. The kernel takes no quota of less than a millisecond.
std::string quota(uint64_t milli_cpus) {
  if (milli_cpus == kNone) return fmt::format("max {}", kPeriod);
  return fmt::format("{} {}", std::max<uint64_t>(milli_cpus * kPeriod / 1000, 1000), kPeriod);
}

std::string device_line(const DeviceLimit& limit) {
  const std::string bytes = number_or_max(limit.bytes == 0 ? kNone : limit.bytes);
  const std::string operations = number_or_max(limit.operations == 0 ? kNone : limit.operations);
  return fmt::format("{0} rbps={1} wbps={1} riops={2} wiops={2}", limit.device, bytes, operations);
}

// A group is locked while it is in use, so what is not locked and empty belongs to nobody any more.
void remove_unused(const std::string& folder) {
  for (const std::string& name : list_directory(open_directory(folder).get())) {
    if (!name.starts_with(kPrefix)) continue;
    const std::string path = folder + "/" + name;
    const UniqueFd group(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (group && ::flock(group.get(), LOCK_EX | LOCK_NB) == 0) ::rmdir(path.c_str());
  }
}

// Made and locked; nothing if somebody who removes unused ones was between both.
UniqueFd make_locked(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0) fail_errno("make the control group '{}'", path);
  UniqueFd group(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!group && errno == ENOENT) return {};
  if (!group) fail_errno("open the control group '{}'", path);
  if (::flock(group.get(), LOCK_SH) != 0) fail_errno("lock the control group '{}'", path);
  if (!is_still_named(AT_FDCWD, path, group.get())) return {};
  return group;
}

}  // namespace

ControlGroup ControlGroup::make(const std::string& folder, std::string_view name) {
  remove_unused(folder);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::string path = fmt::format("{}/{}{}-{}", folder, kPrefix, name, hex(random_bytes(3)));
    UniqueFd directory = make_locked(path);
    if (!directory) continue;
    ControlGroup group(path, std::move(directory));
    // One process that is ended alone would leave a VM of which half is missing.
    if (::faccessat(group.fd(), "memory.oom.group", W_OK, 0) == 0) group.write("memory.oom.group", "1");
    return group;
  }
  fail(Code::kBusy, "no control group in '{}' lasts until it is used", folder);
}

ControlGroup::~ControlGroup() {
  if (directory_) ::rmdir(path_.c_str());
}

void ControlGroup::write(const char* file, std::string_view text) const {
  const UniqueFd fd(::openat(directory_.get(), file, O_WRONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT)
    throw Error(Code::kUnsupported, fmt::format("the control group '{}' has no '{}'", path_, file),
                "its controller is not in force there: see `knaller doctor`");
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    fail_errno("write '{}' to '{}/{}'", text, path_, file);
}

void ControlGroup::limit(const GroupLimits& limits) const {
  if (limits.memory) write("memory.max", number_or_max(*limits.memory));
  if (limits.swap && ::faccessat(fd(), "memory.swap.max", W_OK, 0) == 0)  // not without swap accounting
    write("memory.swap.max", number_or_max(*limits.swap));
  if (limits.processes) write("pids.max", number_or_max(*limits.processes));
  if (limits.milli_cpus) write("cpu.max", quota(*limits.milli_cpus));
  if (limits.cpu_weight) write("cpu.weight", fmt::format("{}", *limits.cpu_weight));
  // A second line behind whoever limits a disk's traffic: where it can't be drawn, there is the first.
  if (limits.device && ::faccessat(fd(), "io.max", W_OK, 0) == 0)
    write("io.max", device_line(*limits.device));
}

void ControlGroup::add(pid_t process) const {
  write("cgroup.procs", fmt::format("{}", process));
}

// The file's only number, or that of a row: "oom_kill 3".
std::optional<uint64_t> ControlGroup::number(const char* file, std::string_view row) const {
  const auto text = read_file_if_exists(fd(), file, 64 << 10);
  if (!text) return std::nullopt;
  for (const std::string_view line : split(*text, '\n')) {
    const bool matches = row.empty() || (line.starts_with(row) && line.substr(row.size()).starts_with(' '));
    if (!matches) continue;
    const auto value = parse_integer(trim(line.substr(row.size())), 0, INT64_MAX);
    if (value) return static_cast<uint64_t>(*value);
  }
  return std::nullopt;
}

GroupUsage ControlGroup::usage() const {
  return {.memory = number("memory.current"),
          .processes = number("pids.current"),
          .cpu_microseconds = number("cpu.stat", "usage_usec")};
}

uint64_t ControlGroup::memory_kills() const {
  return number("memory.events", "oom_kill").value_or(0);
}

// cgroup.kill is of Linux 5.14; before, one after the other, until a round finds nobody new.
void ControlGroup::kill() const {
  if (::faccessat(fd(), "cgroup.kill", W_OK, 0) == 0) return write("cgroup.kill", "1");
  const auto processes = read_file_if_exists(fd(), "cgroup.procs", 1 << 20);
  for (const std::string_view line : split(processes.value_or(""), '\n'))
    if (const auto pid = parse_integer(line, 1, INT32_MAX)) ::kill(static_cast<pid_t>(*pid), SIGKILL);
}

void ControlGroup::wait_until_empty(const Deadline& deadline) const {
  const UniqueFd events = open_at(fd(), "cgroup.events", O_RDONLY);
  while (number("cgroup.events", "populated").value_or(0) != 0) {
    // What is read before tells the kernel from when on a change is news.
    char text[256];
    if (::pread(events.get(), text, sizeof text, 0) < 0) fail_errno("read '{}/cgroup.events'", path_);
    if (number("cgroup.events", "populated").value_or(0) == 0) return;
    if ((poll_until(events.get(), POLLPRI, deadline) & (POLLPRI | POLLERR)) == 0) {
      deadline.check(fmt::format("the processes in '{}' to end", path_));
    }
    if (::faccessat(fd(), "cgroup.kill", W_OK, 0) != 0) kill();
  }
}

void ControlGroup::remove(const Deadline& deadline) {
  if (!directory_) return;
  kill();
  wait_until_empty(deadline);
  if (::rmdir(path_.c_str()) != 0 && errno != ENOENT) fail_errno("remove the control group '{}'", path_);
  directory_.reset();
}

std::optional<std::string> disk_of(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || major(info.st_dev) == 0) return std::nullopt;
  const std::string device = fmt::format("{}:{}", major(info.st_dev), minor(info.st_dev));
  const std::string folder = "/sys/dev/block/" + device;
  if (!exists(folder)) return std::nullopt;
  if (!exists(folder + "/partition")) return device;
  // A partition's folder lies in that of its disk.
  return std::string(trim(read_file(folder + "/../dev", 64)));
}

}  // namespace knaller
