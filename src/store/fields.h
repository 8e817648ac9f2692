// Pieces of JSON that several of knaller's files share.
#ifndef KNALLER_STORE_FIELDS_H_
#define KNALLER_STORE_FIELDS_H_

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "knaller/types.h"

namespace knaller::store {

constexpr int64_t kMostVcpus = 32;
constexpr int64_t kMostMemoryMib = int64_t{16} << 20;

// The Go program's form, {"Host":8080,"Guest":80}, with "Addr" and "Proto" where they are not its only ones.
Json ports_to_json(const std::vector<PortForward>& ports);
std::vector<PortForward> ports_from_json(const Json& array, const std::string& what);

// {"mode":"none","allow":[{"to":"10.0.0.5","port":5432,"proto":"tcp"}],"deny":[]}. Whether the rules mean
// anything is for net/egress.h to say.
Json egress_to_json(const Egress& egress);
Egress egress_from_json(const Json& json, const std::string& what);

inline constexpr size_t kLargestRecord = 1 << 20;  // in bytes

// A file that every entry of its kind has, whatever somebody has put in its place: kCorrupt when it is
// missing, a fifo, a link or anything else but a regular file.
std::string read_entry_file(int directory, const std::string& name, size_t limit = kLargestRecord);
// The same for the record that says what an entry is; kPermission when it is another user's (owner.h).
std::string read_own_record(int directory, const std::string& name);

SystemTime time_field(const JsonReader& reader, std::string_view key, const std::string& what);
// Nothing when there is no such member.
std::optional<SystemTime> optional_time_field(const JsonReader& reader, std::string_view key,
                                              const std::string& what);

std::string_view to_text(NetworkMode mode);
NetworkMode network_from_text(std::string_view text, const std::string& what);
std::string_view to_text(EgressMode mode);
EgressMode egress_mode_from_text(std::string_view text, const std::string& what);
std::string_view to_text(OnReboot on_reboot);
OnReboot on_reboot_from_text(std::string_view text, const std::string& what);

}  // namespace knaller::store

#endif  // KNALLER_STORE_FIELDS_H_
