#include "vm/life/process_use.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "net/frames.h"

namespace knaller::vm {
namespace {

constexpr size_t kTextLimit = 64 << 10;

std::optional<uint64_t> number_after(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with(name)) continue;
    std::string_view value = trim(line.substr(name.size()));
    value = value.substr(0, value.find(' '));
    const auto number = parse_integer(value, 0, INT64_MAX);
    return number ? std::optional(static_cast<uint64_t>(*number)) : std::nullopt;
  }
  return std::nullopt;
}

// Gone, or waiting to be reaped: the kernel then forgets whose it was, and says EACCES to all but root.
bool has_ended(pid_t pid) {
  std::optional<std::string> stat;
  try {
    stat = read_file_if_exists(AT_FDCWD, fmt::format("/proc/{}/stat", pid));
  } catch (const Error&) {
    return true;  // it went while it was looked at
  }
  if (!stat) return true;
  const size_t name_end = stat->rfind(')');  // a name may have any character in it
  if (name_end == std::string::npos || name_end + 2 >= stat->size()) return false;
  const char state = (*stat)[name_end + 2];
  return state == 'Z' || state == 'X';
}

// Nothing of a process that has ended; kPermission and the like of one that hides it.
std::optional<std::string> read_of(pid_t pid, const std::string& file) {
  const std::string path = fmt::format("/proc/{}/{}", pid, file);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ESRCH)) return std::nullopt;
  if (!fd) {
    const int why = errno;
    if (why == EACCES && has_ended(pid)) return std::nullopt;
    throw errno_error(why, fmt::format("read '{}'", path));
  }
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int why = errno;
      if (why == ESRCH || (why == EACCES && has_ended(pid))) return std::nullopt;
      throw errno_error(why, fmt::format("read '{}'", path));
    }
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kTextLimit) fail(Code::kCorrupt, "'{}' is too long", path);
  }
}

// One look at the clock of a whole process, in nanoseconds: /proc/PID/stat counts in hundredths of a second.
std::optional<std::chrono::nanoseconds> cpu_time_of(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return std::nullopt;
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void add_children_of_thread(pid_t pid, const std::string& thread, std::vector<pid_t>& found) {
  const auto text = read_of(pid, "task/" + thread + "/children");
  if (!text) return;
  for (const pid_t child : parse_children(*text)) found.push_back(child);
}

// A child is its thread's, not its process's.
void add_children(pid_t pid, std::vector<pid_t>& found) {
  const UniqueFd tasks(::open(fmt::format("/proc/{}/task", pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!tasks) return;
  for (const std::string& thread : list_directory(tasks.get())) add_children_of_thread(pid, thread, found);
}

std::vector<pid_t> with_descendants(pid_t first) {
  std::vector<pid_t> found{first};
  for (size_t at = 0; at < found.size(); ++at) add_children(found[at], found);
  return found;
}

// Where the VM's processes have a control group for themselves, in which its monitor is not.
std::optional<Operations> operations_of(const VmProcesses& processes) {
  const auto group_of = [](pid_t pid) { return parse_control_group(read_of(pid, "cgroup").value_or("")); };
  const std::string group = group_of(processes.engine.front());
  if (group.empty() || group == "/" || group == group_of(processes.helpers.front())) return std::nullopt;
  const auto text = read_file_if_exists(AT_FDCWD, "/sys/fs/cgroup" + group + "/io.stat");
  return text ? std::optional(parse_io_stat(*text)) : std::nullopt;
}

std::optional<double> per_second(const std::optional<uint64_t>& now, const std::optional<uint64_t>& before,
                                 std::chrono::nanoseconds interval) {
  if (!now || !before || *now < *before) return std::nullopt;
  return static_cast<double>(*now - *before) / std::chrono::duration<double>(interval).count();
}

}  // namespace

std::optional<ResidentMemory> parse_status(std::string_view status) {
  const auto anonymous = number_after(status, "RssAnon:");
  const auto file = number_after(status, "RssFile:");
  const auto shmem = number_after(status, "RssShmem:");
  if (!anonymous || !file || !shmem) return std::nullopt;
  return ResidentMemory{.private_bytes = (*anonymous + *shmem) * 1024, .shared_bytes = *file * 1024};
}

std::optional<uint64_t> parse_pss(std::string_view smaps_rollup) {
  const auto kib = number_after(smaps_rollup, "Pss:");
  return kib ? std::optional(*kib * 1024) : std::nullopt;
}

std::optional<VmStats::Disk> parse_io(std::string_view io) {
  const auto read = number_after(io, "read_bytes:");
  const auto written = number_after(io, "write_bytes:");
  if (!read || !written) return std::nullopt;
  return VmStats::Disk{.read_bytes = *read, .written_bytes = *written, .reads = {}, .writes = {}};
}

std::vector<pid_t> parse_children(std::string_view children) {
  std::vector<pid_t> found;
  for (const std::string_view word : split(trim(children), ' '))
    if (const auto pid = parse_integer(word, 1, INT32_MAX)) found.push_back(static_cast<pid_t>(*pid));
  return found;
}

std::string parse_control_group(std::string_view cgroup) {
  for (const std::string_view line : split(cgroup, '\n'))
    if (line.starts_with("0::")) return std::string(line.substr(3));
  return {};
}

// "254:0 rbytes=8192 wbytes=0 rios=2 wios=0 dbytes=0 dios=0", a line for each device.
Operations parse_io_stat(std::string_view io_stat) {
  Operations sum;
  for (const std::string_view line : split(io_stat, '\n')) {
    for (const std::string_view word : split(line, ' ')) {
      const size_t equals = word.find('=');
      if (equals == std::string_view::npos) continue;
      const auto count =
          static_cast<uint64_t>(parse_integer(word.substr(equals + 1), 0, INT64_MAX).value_or(0));
      if (word.starts_with("rios=")) sum.reads += count;
      if (word.starts_with("wios=")) sum.writes += count;
    }
  }
  return sum;
}

VmProcesses processes_of(pid_t monitor, pid_t engine) {
  VmProcesses processes;
  std::vector<pid_t> children;
  add_children(monitor, children);
  processes.helpers.push_back(monitor);
  for (const pid_t child : children) {
    const std::vector<pid_t> family = with_descendants(child);
    auto& of = child == engine ? processes.engine : processes.helpers;
    of.insert(of.end(), family.begin(), family.end());
  }
  return processes;
}

ProcessUse measure(const std::vector<pid_t>& processes, bool pss, CpuTimes& times) {
  ProcessUse use;
  for (const pid_t pid : processes) {
    const auto cpu = cpu_time_of(pid);
    const auto status = read_of(pid, "status");
    const auto memory = status ? parse_status(*status) : std::nullopt;
    if (!cpu || !memory) continue;  // it has ended: a zombie has no memory
    ++use.processes;
    use.cpu += *cpu;
    times[pid] = *cpu;
    use.private_bytes += memory->private_bytes;
    use.shared_bytes += memory->shared_bytes;
    if (!pss) continue;
    const auto rollup = read_of(pid, "smaps_rollup");
    use.pss_bytes = use.pss_bytes.value_or(0) + (rollup ? parse_pss(*rollup).value_or(0) : 0);
  }
  return use;
}

std::chrono::nanoseconds time_since(const CpuTimes& before, const CpuTimes& now,
                                    const std::vector<pid_t>& processes) {
  std::chrono::nanoseconds sum{0};
  for (const pid_t pid : processes) {
    const auto then = before.find(pid);
    const auto time = now.find(pid);
    if (time == now.end()) continue;
    const std::chrono::nanoseconds since = then == before.end() ? std::chrono::nanoseconds(0) : then->second;
    sum += std::max(time->second - since, std::chrono::nanoseconds(0));
  }
  return sum;
}

void add_rates(VmStats::Disk& now, const VmStats::Disk& before, std::chrono::nanoseconds interval) {
  now.read_bytes_per_second = per_second(now.read_bytes, before.read_bytes, interval);
  now.written_bytes_per_second = per_second(now.written_bytes, before.written_bytes, interval);
  now.reads_per_second = per_second(now.reads, before.reads, interval);
  now.writes_per_second = per_second(now.writes, before.writes, interval);
}

void add_rates(VmStats::Network& now, const VmStats::Network& before, std::chrono::nanoseconds interval) {
  now.received_bytes_per_second = per_second(now.received_bytes, before.received_bytes, interval);
  now.sent_bytes_per_second = per_second(now.sent_bytes, before.sent_bytes, interval);
}

VmStats::Disk measure_disk(const VmProcesses& processes) {
  VmStats::Disk sum;
  for (const pid_t pid : processes.engine) {
    const auto text = read_of(pid, "io");
    const auto disk = text ? parse_io(*text) : std::nullopt;
    if (!disk) continue;
    sum.read_bytes += disk->read_bytes;
    sum.written_bytes += disk->written_bytes;
  }
  if (const auto operations = operations_of(processes)) {
    sum.reads = operations->reads;
    sum.writes = operations->writes;
  }
  return sum;
}

std::optional<VmStats::Network> measure_network(const VmProcesses& processes, const std::string& device) {
  const auto text = read_of(processes.engine.front(), "net/dev");
  const auto counters = text ? net::device_counters(*text, device) : std::nullopt;
  if (!counters) return std::nullopt;
  return VmStats::Network{.received_bytes = counters->sent_bytes,
                          .received_packets = counters->sent_packets,
                          .sent_bytes = counters->received_bytes,
                          .sent_packets = counters->received_packets};
}

}  // namespace knaller::vm
