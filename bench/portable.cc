#include "portable.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/process.h"
#include "temporary_vm.h"

namespace knaller::bench {
namespace {

constexpr int kRounds = 7;
// 80 % of the speed.
constexpr double kMostOfRaw = 1.25;

void run_zstd(const std::vector<std::string>& options, const std::string& from, const std::string& to) {
  SpawnOptions program{.argv = {"zstd", "-q", "-f"}, .search_path = true};
  program.argv.insert(program.argv.end(), options.begin(), options.end());
  program.argv.insert(program.argv.end(), {from, "-o", to});
  run_checked(std::move(program), Deadline::after(std::chrono::minutes(5)));
}

void add_figures(const std::string& name, const Pairs& pairs, std::vector<Figure>& figures) {
  std::vector<double> ratios;
  for (size_t round = 0; round < pairs.ours.size(); ++round)
    ratios.push_back(pairs.ours[round] / pairs.raw[round]);
  figures.push_back({.name = name, .unit = "ms", .samples = pairs.ours});
  figures.push_back({.name = name + ", zstd -T0 -3 on the same bytes = 1",
                     .unit = "",
                     .samples = std::move(ratios),
                     .bar = kMostOfRaw});
}

}  // namespace

void measure_portable(const Setting& setting, const Engine& engine, std::vector<Figure>& figures) {
  if (find_program("zstd").empty()) return;
  Manager manager({.home = setting.home, .libexec = setting.programs});
  Manager other({.home = setting.scratch + "/other-home", .libexec = setting.programs});
  manager.start(tiny_vm("bench", engine, NetworkMode::kNone));
  const TemporaryVm vm(manager, "bench");
  const SnapshotInfo snapshot = manager.create_snapshot({.vm = "bench"});

  const std::string archive = setting.scratch + "/snapshot.tar.zst";
  const std::string tar = setting.scratch + "/snapshot.tar";
  manager.export_snapshot({.snapshot = snapshot.id, .file = archive});
  run_zstd({"-d"}, archive, tar);

  // To where the program writes, too: without waiting for the disk.
  const Action export_it = [&] {
    const UniqueFd to = open_at(AT_FDCWD, setting.scratch + "/ours", O_WRONLY | O_CREAT | O_TRUNC);
    return time_of([&] { manager.export_snapshot({.snapshot = snapshot.id, .output_fd = to.get()}); });
  };
  const Action compress = [&] {
    return time_of([&] { run_zstd({"-T0", "-3"}, tar, setting.scratch + "/raw"); });
  };
  const Action import_it = [&] {
    const double took = time_of([&] { other.import_snapshot({.path = archive}); });
    other.remove_snapshot(snapshot.id);
    return took;
  };
  add_figures("export of a snapshot, to a file", run_pairs(kRounds, export_it, compress), figures);
  add_figures("import of it, checked and durable", run_pairs(kRounds, import_it, compress), figures);
  manager.remove_snapshot(snapshot.id);
}

}  // namespace knaller::bench
