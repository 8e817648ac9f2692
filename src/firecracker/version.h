// Firecracker's versions, and what each of them knows.
//
// Bodies of Firecracker's API refuse unknown fields, so a field is only sent to a version that has it. The
// table of what came when is features(); nothing else compares versions. Pure, but for query_version().
#ifndef KNALLER_FIRECRACKER_VERSION_H_
#define KNALLER_FIRECRACKER_VERSION_H_

#include <compare>
#include <string>
#include <string_view>

#include "base/deadline.h"

namespace knaller::firecracker {

struct Version {
  int major = 0;
  int minor = 0;
  int patch = 0;
  std::string suffix;  // "dev" in "1.17.0-dev"

  std::string text() const;
};

// "1.17.0-dev" comes before "1.17.0" and after every 1.16.
std::strong_ordering operator<=>(const Version& left, const Version& right);
bool operator==(const Version& left, const Version& right);

// "1.7.0", "v1.7.0", "1.17.0-dev"; anything else is kInvalidArgument.
Version parse_version(std::string_view text);

// Runs `BINARY --version` and reads "Firecracker v1.7.0" from its first line. kUnsupported when it says
// something else or is older than 1.7.0.
Version query_version(const std::string& binary, const Deadline& deadline);
// The same from what `binary` printed. Pure.
Version version_in(std::string_view output, const std::string& binary);

struct Features {
  bool network_overrides = false;       // on load: 1.12.0
  bool track_dirty_pages_load = false;  // on load, in place of enable_diff_snapshots: 1.13.0
  bool diff_without_tracking = false;   // Diff snapshots without a dirty log: 1.13.0
  bool clock_realtime = false;          // on load: 1.16.0, and 1.14.4 and 1.15.1
  bool vsock_override = false;          // on load: 1.16.0
  bool serial = false;                  // PUT /serial: 1.14.0
  bool makes_log_files = false;         // --log-path and the like need not exist before: 1.14.0
  bool load_huge_pages = false;         // huge_pages on load, huge_pages=Transparent: 1.17
  bool sync_snapshot_files = false;     // on create: 1.17.0; builds of the main branch before have none
  bool hotplug = false;                 // devices of a running VM, the method DELETE: 1.16
};
Features features(const Version& version);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_VERSION_H_
