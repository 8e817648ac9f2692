#include "store/labels.h"

#include "base/text.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/sha256.h"

namespace knaller::store {
namespace {

constexpr size_t kMostLabels = 256;
constexpr size_t kLongestKey = 128;
constexpr size_t kLongestValue = 2048;

const char* const kDigest = "sha256";

// The digest is of the same text without it.
std::string with_digest(Json json) {
  json.erase(kDigest);
  json[kDigest] = sha256_hex(dump_json(json, 2));
  return dump_json(json, 2) + "\n";
}

void check_key(const std::string& key) {
  const bool plain = is_valid_utf8(key) && printable(key) == key;
  if (key.empty() || key.size() > kLongestKey || !plain || key.find('=') != std::string::npos ||
      key.ends_with('-'))
    throw Error(Code::kInvalidArgument, fmt::format("'{}' can't be the key of a label", printable(key)),
                fmt::format("it has 1 to {} bytes, no '=', no control character, and no '-' at its end",
                            kLongestKey));
}

}  // namespace

void check_labels(const std::map<std::string, std::string>& labels) {
  if (labels.size() > kMostLabels)
    fail(Code::kInvalidArgument, "{} labels are too many: a snapshot may have {}", labels.size(),
         kMostLabels);
  for (const auto& [key, value] : labels) {
    check_key(key);
    if (value.size() > kLongestValue || !is_valid_utf8(value))
      fail(Code::kInvalidArgument, "the value of label '{}' is not UTF-8, or is longer than {} bytes", key,
           kLongestValue);
  }
}

std::string to_text(const SnapshotLabels& labels) {
  Json json{{"name", labels.name}, {"labels", labels.labels}, {"protected", labels.is_protected}};
  if (labels.imported) json["imported"] = format_time(*labels.imported);
  return with_digest(std::move(json));
}

void write_labels(int directory, const SnapshotLabels& labels, Durability durability) {
  check_labels(labels.labels);
  write_file_atomically(directory, layout::kLabels, to_text(labels), durability);
}

SnapshotLabels parse_labels(std::string_view text) {
  const Json json = parse_json(text, layout::kLabels);
  const JsonReader reader(json, layout::kLabels);
  SnapshotLabels labels;
  labels.name = reader.string_or("name", "");
  labels.is_protected = reader.boolean_or("protected", false);
  labels.imported = optional_time_field(reader, "imported", layout::kLabels);
  const Json* map = reader.find("labels");
  if (map == nullptr) return labels;
  if (!map->is_object()) fail(Code::kCorrupt, "{}: 'labels' must be an object", layout::kLabels);
  for (const auto& [key, value] : map->items()) {
    if (!value.is_string())
      fail(Code::kCorrupt, "{}: label '{}' must be a string", layout::kLabels, printable(key));
    labels.labels[key] = value.get<std::string>();
  }
  return labels;
}

SnapshotLabels read_labels(int directory) {
  if (!stat_if_exists(directory, layout::kLabels)) return {};
  return parse_labels(read_entry_file(directory, layout::kLabels));
}

void verify_labels(int directory) {
  if (!stat_if_exists(directory, layout::kLabels)) return;
  read_labels(directory);
  const std::string text = read_entry_file(directory, layout::kLabels);
  if (text != with_digest(parse_json(text, layout::kLabels)))
    fail(Code::kCorrupt, "'{}' is damaged: its own digest does not match", layout::kLabels);
}

bool may_be_imported(int directory) {
  try {
    return read_labels(directory).imported.has_value();
  } catch (const Error&) {
    return true;
  }
}

bool is_unfinished_labels(std::string_view file) {
  return file.starts_with("." + std::string(layout::kLabels) + ".");
}

}  // namespace knaller::store
