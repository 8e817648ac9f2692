#include "snapshots.h"

#include <fmt/format.h>

#include <map>

#include "measured.h"
#include "standard_guest.h"
#include "temporary_vm.h"

namespace knaller::bench {
namespace {

constexpr int kRounds = 7;

struct Samples {
  std::vector<double> pause;
  std::vector<double> whole;
};

// One snapshot, removed again.
void take(Manager& manager, const SnapshotOptions& options, Samples& samples) {
  SnapshotInfo snapshot;
  samples.whole.push_back(time_of([&] { snapshot = manager.create_snapshot(options); }));
  samples.pause.push_back(static_cast<double>(snapshot.paused.count()) / 1000);
  manager.remove_snapshot(snapshot.id);
}

// Durable and not in turns, so that a busy moment of the machine hits both. One way of taking the memory
// after the other: when an engine has written its memory all of it is present, and is read from then on.
void take_in_turns(Manager& manager, const std::string& vm, const std::string& what, CaptureWay way,
                   std::vector<Figure>& figures) {
  std::map<std::string, Samples> ways;
  for (int round = 0; round < kRounds; ++round) {
    for (const bool durable : {true, false}) {
      SnapshotOptions options{.vm = vm, .durable = durable, .capture = way};
      options.max_pause = std::chrono::minutes(1);
      take(manager, options,
           ways[fmt::format("{}{}",
                            way == CaptureWay::kOutside ? "memory from outside" : "memory by the engine",
                            durable ? "" : ", --no-sync")]);
    }
  }
  for (const auto& [name, samples] : ways) {
    figures.push_back(
        {.name = fmt::format("{}, {}: pause", what, name), .unit = "ms", .samples = samples.pause});
    figures.push_back(
        {.name = fmt::format("{}, {}: whole", what, name), .unit = "ms", .samples = samples.whole});
  }
}

// The one with random bytes, which needs no guest that runs; on QEMU one that is ready.
bool has_random_bytes(const Engine& engine) {
  return engine.name == "firecracker";
}

void start_guest(Manager& manager, const Setting& setting, const Engine& engine) {
  if (has_random_bytes(engine))
    manager.start(make_standard_guest(setting).vm("bench", engine, NetworkMode::kNone), no_wait());
  else
    manager.start(tiny_vm("bench", engine, NetworkMode::kRootless));
}

}  // namespace

void measure_snapshots(const Setting& setting, const Engine& engine, std::vector<Figure>& figures) {
  Measured measured(setting);
  Manager& manager = measured.manager;
  start_guest(manager, setting, engine);
  const TemporaryVm vm(manager, "bench");
  const std::string what = "snapshot on " + engine.name;
  take_in_turns(manager, "bench", what, CaptureWay::kOutside, figures);
  if (has_random_bytes(engine)) compare_pauses(measured, "bench", what, 3 * kRounds, figures);

  SnapshotOptions options{.vm = "bench", .durable = false, .capture = CaptureWay::kOutside};
  const SnapshotInfo parent = manager.create_snapshot(options);
  manager.restore({.name = "bench-clone", .snapshot = parent.id, .engine = engine.choice}, no_wait());
  const TemporaryVm clone(manager, "bench-clone");
  const std::string of_clone = "snapshot of a clone on " + engine.name;
  take_in_turns(manager, "bench-clone", of_clone, CaptureWay::kOutside, figures);
  take_in_turns(manager, "bench-clone", of_clone, CaptureWay::kEngine, figures);
  manager.remove_snapshot(parent.id);
  take_in_turns(manager, "bench", what, CaptureWay::kEngine, figures);
}

}  // namespace knaller::bench
