#include "measured.h"

#include <fmt/format.h>

#include "base/error.h"
#include "memory/guest_memory.h"

namespace knaller::bench {
namespace {

constexpr double kBytesPerMs = 3 * 1024.0 * 1024 * 1024 / 1000;

double milliseconds(std::chrono::microseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

// What has to be read in a pause: the pages that a guest has, those of zeros too.
double memory_of(Manager& manager, const std::string& vm) {
  const VmInfo info = manager.inspect(vm);
  const auto memory = memory::GuestMemory::find(info.engine_pid, info.memory_mib << 20, -1);
  if (!memory) throw Error(Code::kNotFound, "the guest's memory is not to be found");
  return static_cast<double>(memory->changed_bytes(Deadline::never()));
}

}  // namespace

Measured::Measured(const Setting& asked)
    : setting(asked),
      manager({.home = asked.home, .libexec = asked.programs, .on_event = [this](const Event& event) {
                 if (event.kind == EventKind::kTiming && event.text == "pause: state")
                   state = milliseconds(event.duration);
               }}) {}

Pause pause_of(Measured& measured, const std::string& vm) {
  const SnapshotInfo snapshot = measured.manager.create_snapshot({.vm = vm, .durable = false});
  const Pause pause{milliseconds(snapshot.paused), measured.state};
  measured.manager.remove_snapshot(snapshot.id);
  return pause;
}

std::vector<double> compare_pauses(Measured& measured, const std::string& vm, const std::string& what,
                                   int count, std::vector<Figure>& figures) {
  const double memory = memory_of(measured.manager, vm);
  std::vector<double> pauses;
  std::vector<double> over_bar;
  for (int i = 0; i < count; ++i) {
    const Pause pause = pause_of(measured, vm);
    pauses.push_back(pause.whole);
    over_bar.push_back(pause.whole / (pause.state + memory / kBytesPerMs + 3));
  }
  figures.push_back({.name = what + ": pause, state save + memory at 3 GiB/s + 3 ms = 1",
                     .unit = "",
                     .samples = over_bar,
                     .bar = 1,
                     .note = fmt::format("{:.0f} MiB", memory / (1 << 20))});
  return pauses;
}

}  // namespace knaller::bench
