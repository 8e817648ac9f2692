#include "vms.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>

#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "firecracker/version.h"
#include "raw_engine.h"
#include "store/vm_record.h"
#include "temporary_vm.h"
#include "vm/life/boot.h"

namespace knaller::bench {
namespace {

constexpr double kOwnShareBar = 10;
constexpr double kOwnShareWithPastaBar = 30;

std::string network_name(NetworkMode network) {
  return network == NetworkMode::kNone ? "no network" : "pasta";
}

void add_share(std::vector<Figure>& figures, const std::string& what, const Engine& engine,
               NetworkMode network, const Pairs& pairs) {
  const std::string name = fmt::format("{} on {}, {}", what, engine.name, network_name(network));
  const double bar = network == NetworkMode::kNone ? kOwnShareBar : kOwnShareWithPastaBar;
  figures.push_back(
      {.name = name + ": knaller's own share", .unit = "ms", .samples = pairs.difference, .bar = bar});
  figures.push_back({.name = name + ": whole", .unit = "ms", .samples = pairs.ours});
  figures.push_back({.name = name + ": raw engine", .unit = "ms", .samples = pairs.raw});
}

// What the raw engine is asked for: the same VM, without a network device, whose TAP is part of knaller's
// work.
std::vector<firecracker::Request> raw_boot(const TemporaryVm& vm, const std::string& name) {
  const UniqueFd directory = open_at(AT_FDCWD, vm.directory(), O_RDONLY | O_DIRECTORY);
  store::VmRecord record = store::read_vm_record(directory.get(), name);
  record.network = NetworkMode::kNone;
  return vm::boot_requests(record);
}

ProgramOutput run_knaller(const Setting& setting, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), setting.programs + "/knaller");
  ::setenv("KNALLER_HOME", setting.home.c_str(), 1);
  ProgramOutput output =
      run_program({.argv = std::move(arguments)}, Deadline::after(std::chrono::minutes(1)));
  if (!output.status.success()) throw Error(Code::kInternal, "knaller failed: " + output.err);
  return output;
}

// MiB that nobody else shares.
double private_memory_of(int pid) {
  std::ifstream rollup(fmt::format("/proc/{}/smaps_rollup", pid));
  double kib = 0;
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:"))
      kib += std::stod(line.substr(line.find(':') + 1));
  }
  if (kib <= 0)
    throw Error(Code::kInternal, fmt::format("the private memory of process {} can't be read", pid));
  return kib / 1024;
}

// Phases in the order in which they first came, each with the times of all runs.
class Phases {
 public:
  EventSink sink() {
    return [this](const Event& event) {
      if (event.kind != EventKind::kTiming) return;
      auto found = std::find_if(phases_.begin(), phases_.end(),
                                [&](const auto& phase) { return phase.first == event.text; });
      if (found == phases_.end()) found = phases_.insert(phases_.end(), {event.text, {}});
      found->second.push_back(static_cast<double>(event.duration.count()) / 1000);
    };
  }
  void add_to(std::vector<Figure>& figures, const std::string& what) const {
    for (const auto& [phase, samples] : phases_)
      figures.push_back({.name = fmt::format("{}: {}", what, phase), .unit = "ms", .samples = samples});
  }

 private:
  std::vector<std::pair<std::string, std::vector<double>>> phases_;
};

// Processor time of this process for one sample of all VMs that run, in milliseconds.
Figure cost_of_stats(Manager& manager, size_t running) {
  constexpr int kSamples = 20;
  Figure cost{.name = fmt::format("knaller stats --stream of {} VMs: processor time of a sample", running),
              .unit = "ms",
              .samples = {},
              .bar = 0.3 * static_cast<double>(running),
              .note = {}};
  std::stop_source stop;
  std::optional<std::clock_t> before;  // the first sample has two looks in it
  const auto take = [&](const std::vector<VmStats>& vms) {
    const std::clock_t now = std::clock();
    if (vms.size() != running) throw Error(Code::kInternal, "not as many VMs are measured as were started");
    if (before) cost.samples.push_back(static_cast<double>(now - *before) * 1000 / CLOCKS_PER_SEC);
    before = std::clock();
    if (cost.samples.size() == kSamples) stop.request_stop();
  };
  try {
    manager.stats({.stream = true, .interval = std::chrono::milliseconds(100), .stop = stop.get_token()},
                  take);
  } catch (const Error& error) {
    if (error.code() != Code::kCancelled) throw;
  }
  return cost;
}

}  // namespace

StartOptions no_wait() {
  StartOptions options;
  options.wait.ready = false;
  return options;
}

VmOptions tiny_vm(const std::string& name, const Engine& engine, NetworkMode network) {
  VmOptions vm;
  vm.name = name;
  vm.image = "tiny";
  vm.memory_mib = kMemoryMib;
  vm.network = network;
  vm.engine = engine.choice;
  return vm;
}

void measure_start(const Setting& setting, const Engine& engine, NetworkMode network,
                   std::vector<Figure>& figures) {
  Manager manager({.home = setting.home, .libexec = setting.programs});
  std::string folder;
  std::vector<firecracker::Request> requests;
  {
    manager.start(tiny_vm("bench-model", engine, NetworkMode::kNone), no_wait());
    const TemporaryVm model(manager, "bench-model");
    folder = make_engine_folder(setting.scratch, model.directory() + "/jail");
    requests = raw_boot(model, "bench-model");
  }
  const Action ours = [&] {
    const double took = time_of([&] { manager.start(tiny_vm("bench", engine, network), no_wait()); });
    const TemporaryVm vm(manager, "bench");
    return took;
  };
  const Action raw = [&] { return time_raw_engine(engine.binary, folder, requests); };
  add_share(figures, "start", engine, network, run_pairs(engine.pairs, ours, raw));
}

void measure_restore(const Setting& setting, const Engine& engine, NetworkMode network,
                     std::vector<Figure>& figures) {
  Manager manager({.home = setting.home, .libexec = setting.programs});
  std::string snapshot;
  {
    // Gone before anything is measured: a guest that is left running would take a processor from both sides.
    manager.start(tiny_vm("bench-model", engine, network), no_wait());
    const TemporaryVm model(manager, "bench-model");
    snapshot = manager.create_snapshot({.vm = "bench-model", .durable = false}).id;
  }
  const auto restore = [&](const std::string& name) {
    manager.restore({.name = name, .snapshot = snapshot, .engine = engine.choice}, no_wait());
  };
  std::string folder;
  {
    restore("bench-clone");
    const TemporaryVm clone(manager, "bench-clone");
    folder = make_engine_folder(setting.scratch, clone.directory() + "/jail");
  }
  const std::vector<firecracker::Request> requests = vm::load_requests(
      firecracker::query_version(engine.binary, Deadline::after(std::chrono::seconds(10))), {}, {});
  const Action ours = [&] {
    const double took = time_of([&] { restore("bench"); });
    const TemporaryVm vm(manager, "bench");
    return took;
  };
  const Action raw = [&] { return time_raw_engine(engine.binary, folder, requests); };
  const Pairs pairs = run_pairs(engine.pairs, ours, raw);
  manager.remove_snapshot(snapshot);
  add_share(figures, "restore", engine, network, pairs);
}

void measure_many(const Setting& setting, const Engine& engine, std::vector<Figure>& figures) {
  constexpr int kStopped = 1000;
  constexpr int kRunning = 100;
  Manager manager({.home = setting.home, .libexec = setting.programs});
  std::vector<std::unique_ptr<TemporaryVm>> vms;
  Figure memory{.name = "monitor's private memory", .unit = "MiB", .samples = {}, .bar = 3, .note = {}};
  for (int i = 0; i < kStopped + kRunning; ++i) {
    const std::string name = fmt::format("bench-{}", i);
    manager.start(tiny_vm(name, engine, NetworkMode::kNone), no_wait());
    vms.push_back(std::make_unique<TemporaryVm>(manager, name));
    if (i < kStopped) manager.stop(name, {.force = true});
  }
  for (const VmInfo& vm : manager.list())
    if (vm.monitor_pid != 0) memory.samples.push_back(private_memory_of(vm.monitor_pid));
  if (memory.samples.size() != kRunning) throw Error(Code::kInternal, "not as many VMs run as were started");

  Figure ls{.name = fmt::format("knaller ls with {} stopped and {} running VMs", kStopped, kRunning),
            .unit = "ms",
            .samples = {},
            .bar = 50,
            .note = {}};
  Figure ls_all{.name = ls.name + ": --all", .unit = "ms", .samples = {}, .bar = {}, .note = {}};
  for (int i = 0; i < 20; ++i) {
    ls.samples.push_back(time_of([&] { run_knaller(setting, {"ls"}); }));
    ls_all.samples.push_back(time_of([&] { run_knaller(setting, {"ls", "--all"}); }));
  }
  figures.push_back(std::move(memory));
  figures.push_back(std::move(ls));
  figures.push_back(std::move(ls_all));
  figures.push_back(cost_of_stats(manager, kRunning));
}

void measure_image(const Setting& setting, std::vector<Figure>& figures) {
  Phases phases;
  Manager manager({.home = setting.home, .libexec = setting.programs, .on_event = phases.sink()});
  const double whole = time_of([&] { manager.build_image({.kind = "tiny", .replace = true}); });
  phases.add_to(figures, "image build tiny");
  figures.push_back({.name = "image build tiny: whole, with downloads", .unit = "ms", .samples = {whole}});
}

void measure_boot(const Setting& setting, const Engine& engine, std::vector<Figure>& figures) {
  Phases phases;
  Manager manager({.home = setting.home, .libexec = setting.programs, .on_event = phases.sink()});
  Figure whole{.name = "boot of tiny on " + engine.name + ": whole, to SSH",
               .unit = "ms",
               .samples = {},
               .bar = {},
               .note = {}};
  for (int i = 0; i < 3; ++i) {
    whole.samples.push_back(
        time_of([&] { manager.start(tiny_vm("bench", engine, NetworkMode::kRootless)); }));
    const TemporaryVm vm(manager, "bench");
  }
  phases.add_to(figures, "boot of tiny on " + engine.name);
  figures.push_back(std::move(whole));
}

void measure_command(const Setting& setting, std::vector<Figure>& figures) {
  const std::string program = find_program("true");
  const Action version = [&] { return time_of([&] { run_knaller(setting, {"version"}); }); };
  const Action nothing = [&] {
    return time_of([&] { run_checked({.argv = {program}}, Deadline::after(std::chrono::seconds(10))); });
  };
  const Pairs pairs = run_pairs(100, version, nothing);
  figures.push_back(
      {.name = "knaller version, over true", .unit = "ms", .samples = pairs.difference, .bar = 5});
}

}  // namespace knaller::bench
