// A VM's setup as JSON: parts of request bodies in, GET /vm/config out. Include in .cc files only. Pure.
#ifndef KNALLER_FIRECRACKER_ENGINE_SETUP_H_
#define KNALLER_FIRECRACKER_ENGINE_SETUP_H_

#include <optional>
#include <string>

#include "base/json.h"
#include "firecracker/engine_api.h"

namespace knaller::firecracker {

// From a body that parse_call() has checked.
BootSource boot_source_from(const Json& body);
DriveSetup drive_from(const Json& body);
NetworkSetup network_from(const Json& body);
BalloonSetup balloon_from(const Json& body);
LoadRequest load_request_from(const Json& body);
// The limiter called `key`; nothing when it is absent. Absent buckets stay as `before` has them.
std::optional<RateLimiter> limiter_from(const Json& body, std::string_view key,
                                        const std::optional<RateLimiter>& before = std::nullopt);
// A PUT of the machine's configuration replaces all of it.
void reset_machine(VmSetup& setup);
// Puts the members that are there into the setup.
void change_machine(const Json& body, VmSetup& setup);

Json machine_to_json(const VmSetup& setup);
Json balloon_to_json(const BalloonSetup& balloon, const Version& version);
// The answer to GET /vm/config.
Json vm_config(const VmSetup& setup, const Version& version);

// "No such file or directory (os error 2)"
std::string os_error(int number);
// Why a drive's file cannot be opened, as Firecracker says it; empty when it can.
std::string backing_file_error(const DriveSetup& drive);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_ENGINE_SETUP_H_
