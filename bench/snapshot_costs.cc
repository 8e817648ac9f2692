#include "snapshot_costs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "measured.h"
#include "store/layout.h"
#include "temporary_vm.h"
#include "vm/home/layout.h"

namespace knaller::bench {
namespace {

constexpr int kPauses = 100;
constexpr int kRounds = 9;
constexpr double kMib = 1 << 20;
// DESIGN's bars.
constexpr double kStoredShareBar = 0.2;
constexpr double kTenSnapshotsBar = 1.05;
constexpr double kChangedBar = 10;
constexpr double kVerifyBar = 1.25;  // 80 % of the speed

SpawnOptions in_guest(const Setting& setting, const std::string& vm, const std::string& script) {
  return {
      .argv = {setting.programs + "/knaller", "--home", setting.home, "exec", vm, "--", "sh", "-c", script}};
}

void run_in_guest(const Setting& setting, const std::string& vm, const std::string& script) {
  run_checked(in_guest(setting, vm, script), Deadline::after(std::chrono::minutes(1)));
}

void measure_pauses(Measured& measured, std::vector<Figure>& figures) {
  std::vector<double> pauses =
      compare_pauses(measured, "bench", "snapshot of the idle guest", kPauses, figures);
  std::ranges::sort(pauses);
  figures.push_back({.name = "snapshot of the idle guest: pause",
                     .unit = "ms",
                     .samples = pauses,
                     .bar = {},
                     .note = fmt::format("min {:.1f}, p99 {:.1f}", pauses.front(),
                                         pauses[(pauses.size() - 1) * 99 / 100])});
}

// Hears a guest that talks in a busy loop, and knows the longest silence.
class Listener {
 public:
  Listener(const Setting& setting, const std::string& vm) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw errno_error(errno, "make a pipe");
    from_guest_ = UniqueFd(ends[0]);
    const UniqueFd to_us(ends[1]);
    SpawnOptions options = in_guest(setting, vm, "while :; do echo x; done");
    options.stdout_fd = to_us.get();
    program_ = spawn(options);
    std::array<char, 1> first{};
    if (::read(from_guest_.get(), first.data(), 1) != 1) throw Error(Code::kIo, "the guest says nothing");
    thread_ = std::jthread([this] { listen(); });
  }
  ~Listener() { program_.kill_and_reap(); }  // its end of the pipe closes, and the thread ends
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Milliseconds; begins anew.
  double longest_silence() { return static_cast<double>(longest_us_.exchange(0)) / 1000; }

 private:
  void listen() {
    std::array<char, 4096> heard{};
    auto before = std::chrono::steady_clock::now();
    while (::read(from_guest_.get(), heard.data(), heard.size()) > 0) {
      const auto now = std::chrono::steady_clock::now();
      const int64_t silence = std::chrono::duration_cast<std::chrono::microseconds>(now - before).count();
      if (silence > longest_us_) longest_us_ = silence;
      before = now;
    }
  }

  UniqueFd from_guest_;
  Child program_;
  std::atomic<int64_t> longest_us_{0};
  std::jthread thread_;
};

// A guest's own clock may stand still with it, so it is somebody outside who looks at theirs.
void measure_silence(Measured& measured, std::vector<Figure>& figures) {
  std::vector<double> silences;
  std::vector<double> without;
  Listener listener(measured.setting, "bench");
  for (int round = 0; round < kRounds; ++round) {
    listener.longest_silence();
    const double took = time_of([&] { pause_of(measured, "bench"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // what was said before must arrive
    silences.push_back(listener.longest_silence());
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(took + 50));
    without.push_back(listener.longest_silence());
  }
  figures.push_back({.name = "snapshot of a guest that talks without end: longest silence",
                     .unit = "ms",
                     .samples = silences,
                     .bar = {},
                     .note = fmt::format("{:.1f} without a snapshot", summarise(without).median)});
}

// Calls `take` with every page that is not all zeros.
void for_each_page_with_data(const std::string& path, const std::function<void(std::string_view)>& take) {
  const UniqueFd file = open_at(AT_FDCWD, path, O_RDONLY);
  std::array<char, 4096> page{};
  ssize_t got = 0;
  while ((got = ::read(file.get(), page.data(), page.size())) > 0) {
    const std::string_view bytes(page.data(), static_cast<size_t>(got));
    if (bytes.find_first_not_of('\0') != std::string_view::npos) take(bytes);
  }
  if (got < 0) throw errno_error(errno, "read " + path);
}

void measure_stored(const Setting& setting, Manager& manager, std::vector<Figure>& figures) {
  std::vector<std::string> ids;
  double needed = 0;
  for (int i = 0; i < 10; ++i) {
    ids.push_back(manager.create_snapshot({.vm = "bench"}).id);
    for (const char* name : {layout::kMemory, layout::kDisk})
      for_each_page_with_data(setting.home + "/snapshots/" + ids.back() + "/" + name,
                              [&](std::string_view page) { needed += static_cast<double>(page.size()); });
  }
  std::vector<double> shares;
  double stored = 0;
  for (const UsageRow& row : manager.measure_store().rows) {
    if (std::ranges::find(ids, row.name) == ids.end()) continue;
    stored += static_cast<double>(row.exclusive_bytes);
    shares.push_back(static_cast<double>(row.exclusive_bytes) / (kMemoryMib * kMib));
  }
  figures.push_back({.name = "stored size of a snapshot of the idle guest, its memory = 1",
                     .unit = "",
                     .samples = shares,
                     .bar = kStoredShareBar});
  figures.push_back({.name = "ten snapshots of it, their bytes that are not zero = 1",
                     .unit = "",
                     .samples = {stored / needed},
                     .bar = kTenSnapshotsBar,
                     .note = fmt::format("{:.1f} MiB", stored / kMib)});
  for (const std::string& id : ids) manager.remove_snapshot(id);
}

// Holes are nothing to verify, but sha256sum reads them: what it is given has none.
void measure_verify(const Setting& setting, Manager& manager, std::vector<Figure>& figures) {
  const std::string id = manager.create_snapshot({.vm = "bench"}).id;
  const std::string bytes = setting.scratch + "/bytes";
  {
    const UniqueFd to = open_at(AT_FDCWD, bytes, O_WRONLY | O_CREAT | O_TRUNC);
    for (const auto& entry : std::filesystem::directory_iterator(setting.home + "/snapshots/" + id))
      for_each_page_with_data(entry.path(), [&](std::string_view page) { write_all(to.get(), page, bytes); });
  }
  const Pairs pairs = run_pairs(
      kRounds, [&] { return time_of([&] { manager.verify_snapshot(id); }); },
      [&] {
        return time_of([&] {
          run_checked({.argv = {"sha256sum", bytes}, .search_path = true},
                      Deadline::after(std::chrono::minutes(1)));
        });
      });
  std::vector<double> ratios;
  for (size_t i = 0; i < pairs.ours.size(); ++i)
    ratios.push_back(pairs.ours[i] / (pairs.raw[i] / get_nprocs()));
  figures.push_back({.name = "verify of a snapshot", .unit = "ms", .samples = pairs.ours});
  figures.push_back(
      {.name = "verify of it, sha256sum of the same bytes on every core = 1",
       .unit = "",
       .samples = ratios,
       .bar = kVerifyBar,
       .note = fmt::format("{:.1f} MiB", static_cast<double>(std::filesystem::file_size(bytes)) / kMib)});
  manager.remove_snapshot(id);
}

// Every snapshot of a clone reads all that changed since its start.
void measure_changed(Measured& measured, const Engine& engine, std::vector<Figure>& figures) {
  const Setting& setting = measured.setting;
  Manager& manager = measured.manager;
  const std::string parent = manager.create_snapshot({.vm = "bench"}).id;
  const double ready =
      time_of([&] { manager.restore({.name = "clone", .snapshot = parent, .engine = engine.choice}); });
  figures.push_back(
      {.name = "restore of the idle guest, pasta, until it is ready", .unit = "ms", .samples = {ready}});
  const TemporaryVm clone(manager, "clone");
  run_in_guest(setting, "clone", "true");
  std::vector<double> before;
  for (int round = 0; round < kRounds; ++round) before.push_back(pause_of(measured, "clone").whole);
  run_in_guest(setting, "clone", "dd if=/dev/urandom of=/run/changed bs=1M count=8 2> /dev/null");
  std::vector<double> longer;
  for (int round = 0; round < kRounds; ++round) {
    const Pause pause = pause_of(measured, "clone");
    longer.push_back(pause.whole - pause.state);
  }
  figures.push_back({.name = "snapshot of a clone: pause", .unit = "ms", .samples = before});
  figures.push_back({.name = "snapshot of a clone, 8 MiB changed: pause beyond the engine's state save",
                     .unit = "ms",
                     .samples = longer,
                     .bar = kChangedBar});
  manager.remove_snapshot(parent);
}

}  // namespace

void measure_snapshot_costs(const Setting& setting, const Engine& engine, std::vector<Figure>& figures) {
  Measured measured(setting);
  Manager& manager = measured.manager;
  manager.start(tiny_vm("bench", engine, NetworkMode::kRootless));
  const TemporaryVm vm(manager, "bench");
  pause_of(measured, "bench");  // pays for the engine's self-test
  measure_pauses(measured, figures);
  measure_stored(setting, manager, figures);
  measure_verify(setting, manager, figures);
  measure_changed(measured, engine, figures);
  measure_silence(measured, figures);
}

}  // namespace knaller::bench
