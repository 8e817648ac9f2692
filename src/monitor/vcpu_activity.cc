#include "monitor/vcpu_activity.h"

#include <fcntl.h>

#include <algorithm>
#include <string>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::monitor {
namespace {

constexpr size_t kStatusLimit = 16 << 10;

std::string_view field(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n'))
    if (line.starts_with(name)) return trim(line.substr(name.size()));
  return {};
}

// "7 (name of any kind) S 1 …" -> 1; 0 when it is not to be seen.
pid_t parent_of(int process) {
  try {
    const UniqueFd file = open_at(process, "stat", O_RDONLY);
    const std::string stat = read_to_end(file.get(), kStatusLimit, "a process's state");
    const auto words = split(std::string_view(stat).substr(std::min(stat.rfind(')') + 1, stat.size())), ' ');
    return words.size() < 3 ? 0 : static_cast<pid_t>(parse_integer(words[2], 0, INT32_MAX).value_or(0));
  } catch (const Error&) {
    return 0;
  }
}

std::vector<pid_t> with_descendants(pid_t engine) {
  std::multimap<pid_t, pid_t> children;
  for_each_process([&](pid_t pid, int process) {
    children.emplace(parent_of(process), pid);
    return true;
  });
  std::vector<pid_t> found{engine};
  for (size_t i = 0; i < found.size(); ++i) {
    const auto [begin, end] = children.equal_range(found[i]);
    for (auto child = begin; child != end; ++child) found.push_back(child->second);
  }
  return found;
}

struct Threads {
  std::map<pid_t, ThreadState> vcpus;
  std::map<pid_t, ThreadState> all;
};

void add_threads(pid_t process, Threads& threads) {
  const UniqueFd tasks = open_directory(fmt::format("/proc/{}/task", process));
  for (const std::string& name : list_directory(tasks.get())) {
    const UniqueFd file = open_at(tasks.get(), name + "/status", O_RDONLY);
    const std::string status = read_to_end(file.get(), kStatusLimit, "a thread's status");
    const auto tid = parse_integer(name, 1, INT32_MAX);
    const auto state = parse_thread_status(status);
    if (!tid || !state) fail(Code::kCorrupt, "the status of thread {} can't be understood", name);
    threads.all[static_cast<pid_t>(*tid)] = *state;
    if (is_vcpu_thread(field(status, "Name:"))) threads.vcpus[static_cast<pid_t>(*tid)] = *state;
  }
}

// The vCPUs'; of an engine whose threads have other names all, which is stricter.
std::map<pid_t, ThreadState> states_of(const std::vector<pid_t>& processes) {
  Threads threads;
  for (const pid_t process : processes) add_threads(process, threads);
  return threads.vcpus.empty() ? threads.all : threads.vcpus;
}

}  // namespace

std::optional<ThreadState> parse_thread_status(std::string_view status) {
  const std::string_view state = field(status, "State:");
  const auto sleeps = parse_integer(field(status, "voluntary_ctxt_switches:"), 0, INT64_MAX);
  if (state.empty() || !sleeps) return std::nullopt;
  return ThreadState{.asleep = state.starts_with('S'), .sleeps = static_cast<uint64_t>(*sleeps)};
}

bool is_vcpu_thread(std::string_view name) {
  if (name.starts_with("fc_vcpu ")) return true;
  return name.starts_with("CPU ") && (name.ends_with("/KVM") || name.ends_with("/TCG"));
}

VcpuActivity::VcpuActivity(pid_t engine) {
  try {
    processes_ = with_descendants(engine);
  } catch (const Error&) {  // then none is looked at, and nothing is known
  }
}

VcpuActivity::Since VcpuActivity::look() {
  std::map<pid_t, uint64_t> before;
  before.swap(sleeps_);
  try {
    bool awake = false;
    for (const auto& [thread, state] : states_of(processes_)) {
      sleeps_[thread] = state.sleeps;
      awake = awake || !state.asleep;
    }
    if (awake || before.empty() || sleeps_.size() != before.size()) return Since::kUnknown;
    return sleeps_ == before ? Since::kAsleep : Since::kWoken;
  } catch (const Error&) {
    sleeps_.clear();
    return Since::kUnknown;
  }
}

}  // namespace knaller::monitor
