// VMs, snapshots, images and checks as people and programs see them: JSON objects (docs/json.md), fields of
// `--format`, table cells. Pure.
#ifndef KNALLER_CLI_VIEW_H_
#define KNALLER_CLI_VIEW_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/format.h"
#include "knaller/manager.h"
#include "knaller/watch.h"

namespace knaller::cli {

nlohmann::json to_json(const VmInfo& vm);
nlohmann::json to_json(const SnapshotInfo& snapshot);
nlohmann::json to_json(const ImageInfo& image);
nlohmann::json to_json(const SessionInfo& session);
nlohmann::json to_json(const CheckRow& check);
nlohmann::json to_json(const VerifyResult& result);

nlohmann::json to_json(const VmStats& vm);
nlohmann::json to_json(const VmEvent& event);

Fields fields_of(const VmInfo& vm, SystemTime now);
Fields fields_of(const VmStats& vm);
Fields fields_of(const SnapshotInfo& snapshot, SystemTime now);
Fields fields_of(const ImageInfo& image, SystemTime now);

std::string stats_table(const std::vector<VmStats>& vms);
// One line, safe for a terminal.
std::string event_text(const VmEvent& event);
std::string vm_table(const std::vector<VmInfo>& vms, SystemTime now);
std::string snapshot_table(const std::vector<SnapshotInfo>& snapshots, SystemTime now);
// "ok", "damaged", "unverifiable"
std::string_view status_name(VerifyResult::Status status);
std::string verify_table(const std::vector<VerifyResult>& results);
nlohmann::json to_json(const StoreUsage& usage);
nlohmann::json to_json(const StoreReport& report);
// In bytes as they are, or for people.
std::string usage_table(const StoreUsage& usage, bool exact);
std::string prune_table(const PruneResult& result, SystemTime now);
std::string image_table(const std::vector<ImageInfo>& images, SystemTime now);

// "5s", "3m", "2h", "5d"; empty for a time that is not known.
std::string age(SystemTime since, SystemTime now);
// "8080->80", "0.0.0.0:53->53/udp"
std::string port_text(const PortForward& port);
std::string ports_text(const std::vector<PortForward>& ports);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_VIEW_H_
