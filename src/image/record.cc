#include "image/record.h"

#include "base/json.h"
#include "base/text.h"
#include "store/fields.h"

namespace knaller::image {
namespace {

constexpr int kFormat = 1;
constexpr int64_t kMostDiskMib = int64_t{16} << 20;

}  // namespace

std::string to_text(const Record& record) {
  Json json = {{"format", kFormat},
               {"name", record.name},
               {"kind", record.kind},
               {"created_at", format_time(record.created_at)},
               {"kernel_version", record.kernel_version},
               {"layout", record.overlay ? "overlay" : "plain"},
               {"disk_mib", record.disk_mib},
               {"guest_protocol", record.guest_protocol},
               {"packages", Json::object()}};
  for (const auto& [name, version] : record.packages) json["packages"][name] = version;
  return dump_json(json, 2) + "\n";
}

Record parse_record(std::string_view text, const std::string& what) {
  const Json json = parse_json(text, what);
  const JsonReader reader(json, what);
  if (reader.integer("format", 1, INT32_MAX) > kFormat) {
    throw Error(Code::kUnsupported, fmt::format("{} was written by a newer knaller", what), "update knaller");
  }
  Record record;
  record.name = reader.string("name");
  record.kind = reader.string("kind");
  record.created_at = store::time_field(reader, "created_at", what);
  record.kernel_version = reader.string_or("kernel_version", {});
  const std::string layout = reader.string("layout");
  if (layout != "overlay" && layout != "plain")
    fail(Code::kCorrupt, "{}: 'layout' must be overlay or plain", what);
  record.overlay = layout == "overlay";
  record.disk_mib = static_cast<uint64_t>(reader.integer_or("disk_mib", 0, 0, kMostDiskMib));
  record.guest_protocol = static_cast<int>(reader.integer_or("guest_protocol", 0, 0, INT32_MAX));
  if (const Json* packages = reader.find("packages"); packages != nullptr && packages->is_object()) {
    for (const auto& [name, version] : packages->items())
      if (version.is_string()) record.packages.emplace_back(name, version.get<std::string>());
  }
  return record;
}

}  // namespace knaller::image
