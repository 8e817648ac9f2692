#include "monitor/force.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "monitor/alive.h"
#include "monitor/exit_record.h"
#include "monitor/server.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

constexpr std::chrono::milliseconds kLookAgain{10};

// Processes end while they are looked at, and some may not be looked at; neither is who we look for.
std::vector<std::string> list_or_nothing(int dir, const std::string& path) {
  try {
    return list_directory(open_at(dir, path, O_RDONLY | O_DIRECTORY).get());
  } catch (const Error&) {
    return {};
  }
}

bool is_file(int process, const std::string& descriptor, const struct stat& file) {
  const std::string name = descriptor_name(process, descriptor);
  std::string_view target = name;
  constexpr std::string_view kDeleted = " (deleted)";
  if (target.ends_with(kDeleted)) target.remove_suffix(kDeleted.size());
  if (!target.ends_with(fmt::format("/{}", layout::kAlive))) return false;
  struct stat opened;
  return ::fstatat(process, ("fd/" + descriptor).c_str(), &opened, 0) == 0 && opened.st_dev == file.st_dev &&
         opened.st_ino == file.st_ino;
}

// "lock:	1: OFDLCK ADVISORY  WRITE -1 fe:00:9977920 0 0" in its fdinfo; READ is the engine's. Others
// open the file too, to look, and lock nothing.
bool holds_lock(int process, const std::string& descriptor) {
  std::string info;
  try {
    const UniqueFd file = open_at(process, "fdinfo/" + descriptor, O_RDONLY);
    info = read_to_end(file.get(), 64 << 10, "a descriptor's information");
  } catch (const Error&) {
    return false;
  }
  for (const std::string_view line : split(info, '\n')) {
    if (line.starts_with("lock:") && line.find(" OFDLCK ") != std::string_view::npos) return true;
  }
  return false;
}

bool is_holder(int process, const struct stat& file) {
  for (const std::string& descriptor : list_or_nothing(process, "fd")) {
    if (is_file(process, descriptor, file) && holds_lock(process, descriptor)) return true;
  }
  return false;
}

void kill_all(const std::vector<Holder>& holders) {
  for (const Holder& holder : holders) signal_pidfd(holder.pidfd.get(), SIGKILL);
}

}  // namespace

std::vector<Holder> alive_holders(int vm_directory) {
  const auto file = stat_if_exists(vm_directory, layout::kAlive);
  if (!file) return {};
  std::vector<Holder> holders;
  for_each_process([&](pid_t pid, int process) {
    // Before the look, which then shows that this process had the pid.
    UniqueFd pidfd = open_pidfd(pid);
    if (pidfd && is_holder(process, *file)) holders.push_back({pid, std::move(pidfd)});
    return true;
  });
  return holders;
}

void record_force(int vm_directory) {
  remove_tree(vm_directory, layout::kMonitorSocket);
  write_exit_record(vm_directory, {.state = EndState::kStopped,
                                   .reason = "it was ended by force: its monitor did not answer",
                                   .at = std::chrono::system_clock::now()});
}

void end_by_force(int vm_directory, const Deadline& deadline) {
  // Again and again: a monitor may just be making an engine.
  while (is_alive(vm_directory)) {
    const std::vector<Holder> holders = alive_holders(vm_directory);
    if (holders.empty() && deadline.expired())
      throw Error(Code::kPermission, "this user can't see the VM's processes",
                  "end the VM as the user who started it, or as root");
    kill_all(holders);
    for (const Holder& holder : holders) {
      if (poll_until(holder.pidfd.get(), POLLIN, deadline) == 0)
        throw Error(Code::kTimeout, fmt::format("process {} was killed, and does not end", holder.pid),
                    "the kernel holds it, often for a disk or file server that does not answer; it ends as "
                    "soon as that does");
    }
    if (!deadline.expired()) deadline.check("the VM's end");
    wait_until_dead(vm_directory, deadline.sooner(kLookAgain));
  }
}

}  // namespace knaller::monitor
