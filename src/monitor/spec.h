// What a launcher tells a new monitor: everything about the VM that the monitor starts, watches and ends. It
// crosses the handover socket as one JSON line.
#ifndef KNALLER_MONITOR_SPEC_H_
#define KNALLER_MONITOR_SPEC_H_

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "firecracker/request.h"
#include "monitor/vm_group.h"
#include "net/plan.h"
#include "store/engine_type.h"
#include "store/transaction.h"

namespace knaller {
class JsonReader;
}

namespace knaller::monitor {

struct LaunchSpec {
  std::string home;  // absolute
  // What the commit, or the undo, makes of the VM's directory, which holds vm.json, alive (an empty file),
  // and jail/ with its files.
  store::EntryChange entry;
  std::string uuid;  // given to the engine as --id

  store::EngineType engine = store::EngineType::kFirecracker;
  std::string engine_binary;              // absolute; may be anywhere
  std::vector<std::string> engine_files;  // what else of the host's it is shown: engine::engine_files()
  bool kvm = true;                        // it is shown /dev/kvm
  uint64_t file_limit = INT64_MAX;        // the most bytes that a file it writes may have
  // After those that the monitor gives. For tests alone: what the fake engine and the jail's probe are to do.
  std::vector<std::string> engine_args;

  std::vector<firecracker::Request> boot;  // configure and start a cold boot; the last is InstanceStart
  std::vector<firecracker::Request> load;  // when not empty: instead of `boot` for the first start

  GroupSpec group;

  std::optional<net::Plan> network;
  // Its guest has an agent, and a network device that leads to it.
  bool control_link = false;
  // Absolute. Empty with `network`: its devices are there, and lead nowhere.
  std::string pasta_binary;

  // A file of jail/ and the absolute path at which the engine must see it too (snapshots of the Go program).
  std::vector<std::pair<std::string, std::string>> binds;
  std::vector<std::string> immutable;  // files of jail/ that the engine sees read-only

  bool restart_on_reboot = true;
  bool tied = false;           // after commit, the end of the launcher's connection ends the VM
  bool remove_at_end = false;  // whenever the VM has ended, its directory goes too (`run`, `start --rm`)
};

// What changes of a VM's limits while it runs.
struct LimitsChange {
  GroupLimits group;
  Rate bandwidth;                              // of the network, for an engine that does not limit it itself
  std::vector<firecracker::Request> requests;  // to the engine that runs
  std::vector<firecracker::Request> boot;      // of engines after a reboot of the guest
};
nlohmann::json limits_change_to_json(const LimitsChange& change);
LimitsChange limits_change_from_json(const nlohmann::json& json);

// What is asked of a VM that runs. All of it is changed, or nothing.
struct RunningChange {
  std::optional<Egress> egress;
  std::optional<LimitsChange> limits;
};
nlohmann::json running_change_to_json(const RunningChange& change);
RunningChange running_change_from_json(const JsonReader& request);

nlohmann::json plan_to_json(const net::Plan& plan);
net::Plan plan_from_json(const nlohmann::json& json);

nlohmann::json spec_to_json(const LaunchSpec& spec);
LaunchSpec spec_from_json(
    const nlohmann::json& json);  // kInvalidArgument when it is not one; kUnsupported for an unknown engine

}  // namespace knaller::monitor

#endif  // KNALLER_MONITOR_SPEC_H_
