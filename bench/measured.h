// The pause of a snapshot and what it is compared with.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"
#include "knaller/manager.h"
#include "memory/guest_memory.h"
#include "vms.h"

namespace knaller::bench {

// DESIGN's bar: the engine's own state save, the memory at 3 GiB/s, and 3 ms.
inline constexpr std::string_view kPauseBarIsOne = "state save + memory at 3 GiB/s + 3 ms = 1";
inline double pause_bar(double state, double memory_bytes) {
  constexpr double kRate = 3 * 1024.0 * 1024 * 1024 / 1000;  // bytes a millisecond
  return state + memory_bytes / kRate + 3;
}

inline double milliseconds(std::chrono::microseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

// A Manager, and how long the engine took to save its state at the last snapshot.
struct Measured {
  explicit Measured(const Setting& asked)
      : setting(asked),
        manager({.home = asked.home, .libexec = asked.programs, .on_event = [this](const Event& event) {
                   if (event.kind == EventKind::kTiming && event.text == "pause: state")
                     state = milliseconds(event.duration);
                 }}) {}

  const Setting& setting;
  double state = 0;
  Manager manager;
};

struct Pause {
  double whole = 0;
  double state = 0;  // of that, the engine's own
};

inline Pause pause_of(Measured& measured, const std::string& vm) {
  const SnapshotInfo snapshot = measured.manager.create_snapshot({.vm = vm, .durable = false});
  const Pause pause{milliseconds(snapshot.paused), measured.state};
  measured.manager.remove_snapshot(snapshot.id);
  return pause;
}

// What has to be read in a pause: the pages that a guest has, those of zeros too.
inline double memory_of(Manager& manager, const std::string& vm) {
  const VmInfo info = manager.inspect(vm);
  const auto memory = memory::GuestMemory::find(info.engine_pid, info.memory_mib << 20, -1);
  if (!memory) throw Error(Code::kNotFound, "the guest's memory is not to be found");
  return static_cast<double>(memory->changed_bytes(Deadline::never()));
}

}  // namespace knaller::bench
