// How a VM ended: `exit.json` in its directory, written atomically by the monitor at every end.
//
//   {"v":1,"state":"stopped","reason":"the guest powered off","rc":0,"signal":null,
//    "at":"2026-11-23T09:26:15.201145921Z"}
#ifndef KNALLER_MONITOR_EXIT_RECORD_H_
#define KNALLER_MONITOR_EXIT_RECORD_H_

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "monitor/vm_state.h"

namespace knaller::monitor {

// Of a VM that left no record in this boot of the host.
inline constexpr char kKilledReason[] = "its monitor ended without a word (was it killed?)";

struct ExitRecord {
  EndState state = EndState::kCrashed;
  std::string reason;
  std::optional<int> rc;      // the engine's exit code
  std::optional<int> signal;  // or the signal that ended it
  std::chrono::system_clock::time_point at{};
};

nlohmann::json exit_record_to_json(const ExitRecord& record);
ExitRecord exit_record_from_json(const nlohmann::json& json);  // kCorrupt when it is not one

// Nothing when the VM has left no record: it never ended, or its monitor was killed, or the host went down.
std::optional<ExitRecord> read_exit_record(int vm_directory);
// On a full disk it takes the room that was reserved for it.
void write_exit_record(int vm_directory, const ExitRecord& record);
// Once a VM runs: its guest, or anybody else, may fill the disk meanwhile. False where there is no room left
// to reserve, or the file system reserves none.
bool reserve_exit_record(int vm_directory);

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_EXIT_RECORD_H_
