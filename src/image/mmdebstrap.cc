#include "image/mmdebstrap.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "image/builders.h"

namespace knaller::image {
namespace {

constexpr auto kCleanUpTime = std::chrono::minutes(3);
constexpr auto kAskAgain = std::chrono::seconds(1);

// On a terminal mmdebstrap writes in colours and draws progress bars.
std::string without_escapes(const std::string& line) {
  std::string text;
  for (size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\x1b' && at + 1 < line.size() && line[at + 1] == '[') {
      at = line.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", at + 2);
      if (at == std::string::npos) break;
    } else {
      text.push_back(line[at]);
    }
  }
  return text;
}

// Tells the steps that mmdebstrap tells, and keeps its last words for an error.
class Listener {
 public:
  explicit Listener(const EventSink& sink) : sink_(sink) {}

  void take(std::string_view bytes) {
    pending_ += bytes;
    for (size_t end = pending_.find_first_of("\r\n"); end != std::string::npos;
         end = pending_.find_first_of("\r\n")) {
      take_line(pending_.substr(0, end));
      pending_.erase(0, end + 1);
    }
    if (pending_.size() > 1 << 16) pending_.clear();
  }

  std::string last_words() const {
    std::string text;
    for (const std::string& line : lines_) text += (text.empty() ? "" : "; ") + line;
    return text;
  }

 private:
  void take_line(const std::string& raw) {
    const std::string line = without_escapes(raw);
    if (trim(line).empty() || line.find('%') != std::string::npos || line == "done") return;
    if (line.starts_with("I: ")) {
      say(sink_, EventKind::kStep, "mmdebstrap: " + printable(line.substr(3)));
      return;
    }
    lines_.push_back(printable(line));
    if (lines_.size() > 5) lines_.erase(lines_.begin());
  }

  const EventSink& sink_;
  std::string pending_;
  std::vector<std::string> lines_;
};

// Signals from a terminal go to all processes of its foreground group. So mmdebstrap gets one. When its other
// side is closed, be it because the build stops or because this process dies, the session's leader
// (`unshare --fork`, which only waits) ends, the group gets a SIGHUP, and mmdebstrap removes its chroot.
struct Terminal {
  UniqueFd master;
  UniqueFd slave;
};

Terminal open_terminal() {
  Terminal terminal;
  terminal.master.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  std::array<char, 64> name;
  if (!terminal.master || ::grantpt(terminal.master.get()) != 0 || ::unlockpt(terminal.master.get()) != 0 ||
      ::ptsname_r(terminal.master.get(), name.data(), name.size()) != 0)
    fail_errno("open a terminal");
  terminal.slave = open_at(AT_FDCWD, name.data(), O_RDWR | O_NOCTTY);
  return terminal;
}

// The terminal's end of file is EIO, when nobody has its other side open any more.
bool read_terminal(const Terminal& terminal, const Deadline& deadline,
                   const std::function<void(std::string_view)>& take) {
  std::array<char, 4096> buffer;
  for (;;) {
    if (poll_until(terminal.master.get(), POLLIN, deadline) == 0) return false;
    const ssize_t count = ::read(terminal.master.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    take({buffer.data(), static_cast<size_t>(count)});
  }
}

// Of /proc/PID/stat, "12 (name) S parent group ...".
struct ProcessStat {
  std::string name;
  std::optional<int64_t> group;
};

ProcessStat stat_of(int process) {
  try {
    const std::string text = read_file(process, "stat");
    const size_t begin = text.find('(');
    const size_t end = text.rfind(')');
    if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
    const std::vector<std::string_view> fields = split(trim(std::string_view(text).substr(end + 1)), ' ');
    if (fields.size() < 3) return {};
    return {text.substr(begin + 1, end - begin - 1), parse_integer(fields[2], 1, INT32_MAX)};
  } catch (const Error&) {
    return {};  // it has just ended
  }
}

bool removes_the_chroot(const std::string& name) {
  // In mmdebstrap's modes `root` and `unshare`.
  static constexpr std::array<std::string_view, 5> kCleaners = {"rm", "env", "find", "newuidmap",
                                                                "newgidmap"};
  return std::ranges::find(kCleaners, name) != kCleaners.end();
}

// Their user may signal them all, for it owns the user namespace that their ids are from.
void hang_up(pid_t group) {
  for_each_process([group](pid_t pid, int process) {
    const UniqueFd pidfd = open_pidfd(pid);
    const ProcessStat stat = stat_of(process);
    if (pidfd && stat.group == group && !removes_the_chroot(stat.name)) signal_pidfd(pidfd.get(), SIGHUP);
    return true;
  });
}

// `alive` is the end of a pipe whose other end every process of mmdebstrap's has: its end of file is their
// end.
//
// mmdebstrap itself only waits for the program that it runs at the moment, and in its own pid namespace it is
// process 1, which signals without a handler don't reach. So a hang-up between two programs is lost, and is
// repeated until one is hit. What removes the chroot is spared.
void end_gently(Child& child, Terminal& terminal, int alive) {
  const pid_t group = ::tcgetpgrp(terminal.master.get());
  terminal.master.reset();
  const Deadline deadline = Deadline::after(kCleanUpTime);
  while (poll_until(alive, POLLIN, deadline.sooner(kAskAgain)) == 0 && !deadline.expired()) hang_up(group);
  child.kill_and_reap();
}

void listen_to_the_end(Child& child, const Terminal& terminal, Listener& listener, const Deadline& deadline) {
  if (!read_terminal(terminal, deadline, [&](std::string_view bytes) { listener.take(bytes); }))
    fail(Code::kTimeout, "mmdebstrap did not end in time");
  const auto status = child.wait(deadline);
  if (!status) fail(Code::kTimeout, "mmdebstrap did not end in time");
  if (status->success()) return;
  throw Error(
      Code::kIo, fmt::format("mmdebstrap failed ({}): {}", status->describe(), listener.last_words()),
      "check the network and the room in the temporary folder; knaller doctor looks at user namespaces");
}

}  // namespace

void run_mmdebstrap(const std::vector<std::string>& arguments, const std::string& folder,
                    const std::string& tar, const EventSink& sink, const Deadline& deadline) {
  const UniqueFd output = open_at(AT_FDCWD, folder + "/" + tar, O_WRONLY | O_CREAT | O_EXCL, 0600);
  Terminal terminal = open_terminal();
  Pipe alive = make_pipe();
  SpawnOptions options;
  options.argv = {disk::require_program("setsid", "util-linux"),
                  "--ctty",
                  "--wait",
                  disk::require_program("unshare", "util-linux"),
                  "--fork",
                  disk::require_program("mmdebstrap", "mmdebstrap")};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.working_directory = folder;
  options.stdin_fd = terminal.slave.get();
  options.stdout_fd = output.get();
  options.stderr_fd = terminal.slave.get();
  options.descriptors = {{alive.write_end.get(), 3}};
  options.outlive_parent = true;  // long enough to clean up
  Child child = spawn(options);
  terminal.slave.reset();
  alive.write_end.reset();
  Listener listener(sink);
  try {
    listen_to_the_end(child, terminal, listener, deadline);
  } catch (...) {
    end_gently(child, terminal, alive.read_end.get());
    throw;
  }
}

}  // namespace knaller::image
