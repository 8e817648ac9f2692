#include "vm/life/stats.h"

#include <algorithm>
#include <map>
#include <span>

#include "base/error.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "store/layout.h"
#include "store/names.h"
#include "store/vm_record.h"
#include "vm/life/boot.h"
#include "vm/life/list.h"
#include "vm/life/process_use.h"

namespace knaller::vm {
namespace {

using store::Kind;
using Clock = std::chrono::steady_clock;

// A monitor answers from its memory within a millisecond; one that does not is stuck itself.
constexpr std::chrono::seconds kPatience{2};
// Each holds three descriptors, of which a program has 1024.
constexpr size_t kAtOnce = 200;

// What is kept of a VM from one sample to the next.
struct Before {
  ino_t record = 0;  // of its vm.json, which never changes in place
  uint64_t memory_mib = 0;
  std::string tap;  // empty: it has no network device
  Clock::time_point at{};
  CpuTimes times;
  std::optional<VmStats::Disk> disk;
  std::optional<VmStats::Network> network;
};

// One look at a VM, in two steps: all monitors are asked before the first answer is waited for.
class Look {
 public:
  Look(const Context& context, const std::string& name, Before& before) : before_(before) {
    stats_.name = name;
    try {
      directory_ = context.home.open_entry(Kind::kVm, name);
      if (!monitor::is_alive(directory_.get())) return;
      stats_.running = true;
      learn(name);
      ask(Deadline::after(std::chrono::seconds(0)));
    } catch (const Error& error) {
      if (error.code() == Code::kTimeout) return;  // its queue is full: when the others have been asked
      miss(error);
    }
  }

  VmStats finish(bool pss, const Deadline& deadline) {
    if (stats_.running && stats_.missing.empty()) {
      try {
        if (!monitor_) ask(deadline);
        take(monitor_->take_stats(deadline), pss);
      } catch (const Error& error) {
        if (error.code() == Code::kCancelled) throw;
        miss(error);
      }
    }
    stats_.at = std::chrono::system_clock::now();
    if (!stats_.running) before_ = {};
    return std::move(stats_);
  }

 private:
  // Of one that has ended meanwhile nothing is missing.
  void miss(const Error& error) {
    if (!directory_ || !monitor::is_alive(directory_.get()))
      stats_ = {.name = stats_.name};
    else
      stats_.missing.push_back(error.what());
  }

  void ask(const Deadline& deadline) {
    monitor_ = monitor::MonitorClient::connect(directory_.get(), deadline);
    monitor_->ask_stats();
  }

  // What only a start can change.
  void learn(const std::string& name) {
    const auto file = stat_if_exists(directory_.get(), layout::kVmRecord);
    if (!file) throw Error(Code::kUnsupported, "it belongs to the Go program");
    if (before_.record != file->st_ino) {
      const store::VmRecord record = store::read_vm_record(directory_.get(), name);
      const auto plan = device_plan(record);
      before_.record = file->st_ino;
      before_.memory_mib = record.memory_mib;
      before_.tap = plan ? plan->tap : std::string();
    }
    stats_.memory_mib = before_.memory_mib;
  }

  void take(const monitor::MonitorStats& use, bool pss) {
    stats_.reboots = use.reboots;
    stats_.last_snapshot = use.last_snapshot;
    if (!use.told)
      stats_.missing.emplace_back(
          "snapshots: its monitor was started by an older knaller, which does not tell; restart the VM");
    const VmProcesses processes = processes_of(use.monitor_pid, use.engine_pid);
    const auto now = Clock::now();
    CpuTimes times;
    take_memory(processes, pss, times);
    if (stats_.engine.processes == 0) {
      if (!monitor::is_alive(directory_.get()))
        stats_ = {.name = stats_.name};
      else
        stats_.missing.emplace_back("its engine is being started");
      before_.times.clear();
      return;
    }
    stats_.uptime = std::max(std::chrono::system_clock::now() - use.since, std::chrono::nanoseconds(0));
    take_rates(processes, times, now);
    take_disk(processes);
    take_network(processes);
    before_.at = now;
    before_.times = std::move(times);
    before_.disk = stats_.disk;
    before_.network = stats_.network;
  }

  void take_memory(const VmProcesses& processes, bool pss, CpuTimes& times) {
    stats_.engine = measure(processes.engine, pss, times);
    stats_.helpers = measure(processes.helpers, pss, times);
  }

  void take_rates(const VmProcesses& processes, const CpuTimes& times, Clock::time_point now) {
    const bool same_engine = before_.times.contains(processes.engine.front());
    if (!same_engine || now <= before_.at) return;
    stats_.interval = now - before_.at;
    const auto percent = [&](const std::vector<pid_t>& of) {
      return 100.0 * static_cast<double>(time_since(before_.times, times, of).count()) /
             static_cast<double>(stats_.interval.count());
    };
    stats_.engine.cpu_percent = percent(processes.engine);
    stats_.helpers.cpu_percent = percent(processes.helpers);
  }

  void take_disk(const VmProcesses& processes) {
    try {
      stats_.disk = measure_disk(processes);
      if (has_rates() && before_.disk) add_rates(*stats_.disk, *before_.disk, stats_.interval);
    } catch (const Error& error) {
      stats_.missing.push_back(fmt::format("disk: {}", error.what()));
    }
  }

  void take_network(const VmProcesses& processes) {
    if (before_.tap.empty()) return;
    stats_.network = measure_network(processes, before_.tap);
    if (!stats_.network)
      stats_.missing.emplace_back("network: the kernel shows no counters of its device");
    else if (has_rates() && before_.network)
      add_rates(*stats_.network, *before_.network, stats_.interval);
  }

  // Once take_rates() has found that this is the engine of the look before.
  bool has_rates() const { return stats_.interval.count() > 0; }

  Before& before_;
  VmStats stats_;
  UniqueFd directory_;
  std::optional<monitor::MonitorClient> monitor_;
};

class Sampler {
 public:
  Sampler(const Context& context, const StatsOptions& options) : context_(context), options_(options) {
    for (const std::string& name : options.names) open_vm(context, name);  // kNotFound, with the nearest one
  }

  std::vector<VmStats> sample(bool pss) {
    std::vector<std::string> names = options_.names;
    if (names.empty()) names = context_.home.entries(Kind::kVm);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::erase_if(before_, [&](const auto& known) {
      return !std::binary_search(names.begin(), names.end(), known.first);
    });
    std::vector<VmStats> all;
    for (size_t at = 0; at < names.size(); at += kAtOnce)
      look_at(std::span(names).subspan(at, std::min(kAtOnce, names.size() - at)), pss, all);
    if (options_.names.empty()) std::erase_if(all, [](const VmStats& vm) { return !vm.running; });
    return all;
  }

 private:
  void look_at(std::span<const std::string> names, bool pss, std::vector<VmStats>& all) {
    std::vector<Look> looks;
    looks.reserve(names.size());
    for (const std::string& name : names) looks.emplace_back(context_, name, before_[name]);
    const Deadline deadline = Deadline::after(kPatience, options_.stop);
    for (Look& look : looks) all.push_back(look.finish(pss, deadline));
  }

  const Context& context_;
  const StatsOptions& options_;
  std::map<std::string, Before> before_;
};

}  // namespace

void sample_vms(const Context& context, const StatsOptions& options,
                const std::function<void(const std::vector<VmStats>&)>& take) {
  Sampler sampler(context, options);
  // Percentages and rates need two looks.
  sampler.sample(false);
  auto next = Clock::now() + StatsOptions::kFirstInterval;
  while (true) {
    if (Clock::now() < next) poll_until(-1, 0, Deadline::at(next, options.stop));
    take(sampler.sample(options.pss));
    if (!options.stream) return;
    // Samples that took too long are left out, not made up for.
    next = std::max(Deadline::at(next).later(options.interval).when(), Clock::now());
  }
}

}  // namespace knaller::vm
