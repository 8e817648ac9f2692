#include "against_go.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "go_program.h"
#include "standard_guest.h"
#include "temporary_vm.h"

namespace knaller::bench {
namespace {

constexpr int kRounds = 9;
// DESIGN's bars, as parts of what the Go program takes.
constexpr double kDurableBar = 0.3;
constexpr double kNotSyncedBar = 0.15;
constexpr double kRestoreBar = 0.3;

struct Times {
  std::vector<double> ours;
  std::vector<double> not_synced;
  std::vector<double> go;
  std::vector<double> go_durable;
  std::vector<double> pause;
};

std::vector<double> ratios(const std::vector<double>& ours, const std::vector<double>& go) {
  std::vector<double> parts;
  for (size_t i = 0; i < ours.size(); ++i) parts.push_back(ours[i] / go[i]);
  return parts;
}

double take(Manager& manager, const std::string& vm, bool durable, std::vector<double>* pause) {
  SnapshotInfo snapshot;
  const double took = time_of([&] { snapshot = manager.create_snapshot({.vm = vm, .durable = durable}); });
  if (pause != nullptr) pause->push_back(static_cast<double>(snapshot.paused.count()) / 1000);
  manager.remove_snapshot(snapshot.id);
  return took;
}

// In turns, so that a busy moment of the machine hits all of them.
void compare_snapshots(Manager& manager, const GoProgram& go, std::vector<Figure>& figures) {
  Times times;
  take(manager, "bench", true, nullptr);  // pays for the engine's self-test
  for (int round = 0; round < kRounds; ++round) {
    times.ours.push_back(take(manager, "bench", true, &times.pause));
    const GoProgram::Snapshot theirs = go.snapshot("bench");
    times.go.push_back(theirs.took);
    times.go_durable.push_back(theirs.took + theirs.sync);
    go.remove_snapshot(theirs.id);
    times.not_synced.push_back(take(manager, "bench", false, &times.pause));
  }
  const std::string what = "snapshot of the standard guest";
  figures.push_back({.name = what + ", durable", .unit = "ms", .samples = times.ours});
  figures.push_back({.name = what + ", --no-sync", .unit = "ms", .samples = times.not_synced});
  figures.push_back({.name = what + ", Go program", .unit = "ms", .samples = times.go});
  figures.push_back({.name = what + ", Go program, made durable", .unit = "ms", .samples = times.go_durable});
  figures.push_back({.name = what + ", durable : Go",
                     .unit = "",
                     .samples = ratios(times.ours, times.go_durable),
                     .bar = kDurableBar});
  figures.push_back({.name = what + ", --no-sync : Go",
                     .unit = "",
                     .samples = ratios(times.not_synced, times.go),
                     .bar = kNotSyncedBar});
  const auto [shortest, longest] = std::ranges::minmax(times.pause);
  figures.push_back({.name = what + ", pause",
                     .unit = "ms",
                     .samples = times.pause,
                     .bar = {},
                     .note = fmt::format("{:.1f} to {:.1f}", shortest, longest)});
}

// The Go program's VMs have pasta, so ours have it, too. Both clocks stop when the restored VM is announced,
// and nobody waits for the guest.
void compare_restores(Manager& manager, GoProgram& go, const Engine& engine, std::vector<Figure>& figures) {
  const std::string ours = manager.create_snapshot({.vm = "bench", .durable = false}).id;
  const std::string theirs = go.snapshot("bench").id;
  manager.remove("bench", {.force = true});
  go.kill("bench");
  Times times;
  for (int round = 0; round < kRounds; ++round) {
    times.ours.push_back(time_of(
        [&] { manager.restore({.name = "clone", .snapshot = ours, .engine = engine.choice}, no_wait()); }));
    { const TemporaryVm clone(manager, "clone"); }
    times.go.push_back(go.restore(fmt::format("clone-{}", round), theirs));
    go.kill(fmt::format("clone-{}", round));
  }
  manager.remove_snapshot(ours);
  figures.push_back({.name = "restore of the standard guest, pasta", .unit = "ms", .samples = times.ours});
  figures.push_back({.name = "restore of the standard guest, Go program", .unit = "ms", .samples = times.go});
  figures.push_back({.name = "restore of the standard guest, ours : Go",
                     .unit = "",
                     .samples = ratios(times.ours, times.go),
                     .bar = kRestoreBar});
}

}  // namespace

void measure_against_go(const Setting& setting, const Engine& engine, std::vector<Figure>& figures) {
  if (const std::string reason = GoProgram::reason_to_skip(); !reason.empty()) {
    fmt::print(stderr, "not measured against the Go program: {}\n", reason);
    return;
  }
  const StandardGuest guest = make_standard_guest(setting);
  const std::string folder = setting.scratch + "/go";
  std::filesystem::create_directory(folder);
  GoProgram go(folder, engine.binary);
  go.start("bench", {"-kernel", guest.kernel, "-rootfs", guest.rootfs, "-mem", std::to_string(kMemoryMib)});

  Manager manager({.home = setting.home, .libexec = setting.programs});
  manager.start(guest.vm("bench", engine, NetworkMode::kRootless), no_wait());
  const TemporaryVm ours(manager, "bench");
  compare_snapshots(manager, go, figures);
  compare_restores(manager, go, engine, figures);
}

}  // namespace knaller::bench
