#include "channel/copy_message.h"

#include "channel/message.h"
#include "channel/tagged_fields.h"

namespace knaller::channel {
namespace {

// The request is a kOpen, whose tags 1 and 5 to 7 are message.cc's.
enum class RequestTag : uint16_t {
  kService = 1,
  kUser = 5,
  kGroup = 6,
  kDirection = 15,
  kPath,
  kName,
  kFolder,
  kKeepAttributes,
  kKeepXattrs,
  kKeepLinks,
  kCount,
};
enum class EntryTag : uint16_t {
  kKind = 1,
  kPath,
  kMode,
  kModified,
  kNanoseconds,
  kOwner,
  kGroup,
  kSize,
  kTotal,
  kTarget,
  kXattr,
};

constexpr uint32_t kMostNanoseconds = 999'999'999;

bool read_direction(const Field& field, CopyRequest::Direction& direction) {
  return read(field, static_cast<uint64_t>(CopyRequest::Direction::kOut), direction) &&
         direction >= CopyRequest::Direction::kIn;
}

bool read_kind(const Field& field, CopyEntry::Kind& kind) {
  return read(field, static_cast<uint64_t>(CopyEntry::Kind::kChanged), kind) &&
         kind >= CopyEntry::Kind::kFile;
}

// A name, a NUL, and the value.
bool read_xattr(const Field& field, std::vector<CopyEntry::Xattr>& xattrs) {
  const size_t end = field.bytes.find('\0');
  if (end == 0 || end == std::string_view::npos) return false;
  xattrs.push_back(
      {.name = std::string(field.bytes.substr(0, end)), .value = std::string(field.bytes.substr(end + 1))});
  return true;
}

// Names between slashes, each of which is one.
bool is_path_below(std::string_view path) {
  if (path.empty()) return true;
  if (path.find('\0') != std::string_view::npos) return false;
  while (true) {
    const size_t end = path.find('/');
    const std::string_view name = path.substr(0, end);
    if (name.empty() || name == "." || name == "..") return false;
    if (end == std::string_view::npos) return true;
    path.remove_prefix(end + 1);
  }
}

bool is_sound(const CopyEntry& entry) {
  const bool needs_target = entry.kind == CopyEntry::Kind::kLink || entry.kind == CopyEntry::Kind::kHardLink;
  if (needs_target == entry.target.empty() || entry.target.find('\0') != std::string::npos) return false;
  return is_path_below(entry.path) &&
         (entry.kind != CopyEntry::Kind::kHardLink || is_path_below(entry.target));
}

}  // namespace

std::string encode(const CopyRequest& request) {
  TaggedWriter<RequestTag> writer;
  writer.number(RequestTag::kService, static_cast<uint64_t>(Service::kCopy));
  writer.text(RequestTag::kUser, request.user);
  writer.text(RequestTag::kGroup, request.group);
  writer.number(RequestTag::kDirection, static_cast<uint64_t>(request.direction));
  writer.text(RequestTag::kPath, request.path);
  writer.text(RequestTag::kName, request.name);
  writer.flag(RequestTag::kFolder, request.folder);
  writer.flag(RequestTag::kKeepAttributes, request.keep_attributes);
  writer.flag(RequestTag::kKeepXattrs, request.keep_xattrs);
  writer.flag(RequestTag::kKeepLinks, request.keep_links);
  writer.flag(RequestTag::kCount, request.count);
  return writer.payload();
}

bool decode(std::string_view payload, CopyRequest& request) {
  request = {};
  bool has_direction = false;
  const bool whole = read_all<RequestTag>(payload, [&](RequestTag tag, const Field& field) {
    switch (tag) {
      case RequestTag::kUser:
        return read(field, request.user);
      case RequestTag::kGroup:
        return read(field, request.group);
      case RequestTag::kDirection:
        return has_direction = read_direction(field, request.direction);
      case RequestTag::kPath:
        return read(field, request.path);
      case RequestTag::kName:
        return read(field, request.name);
      case RequestTag::kFolder:
        return read(field, request.folder);
      case RequestTag::kKeepAttributes:
        return read(field, request.keep_attributes);
      case RequestTag::kKeepXattrs:
        return read(field, request.keep_xattrs);
      case RequestTag::kKeepLinks:
        return read(field, request.keep_links);
      case RequestTag::kCount:
        return read(field, request.count);
      case RequestTag::kService:
        return true;
    }
    return true;
  });
  return whole && has_direction && !request.path.empty() && request.path.find('\0') == std::string::npos &&
         is_path_below(request.name) && request.name.find('/') == std::string::npos;
}

std::string encode(const CopyEntry& entry) {
  TaggedWriter<EntryTag> writer;
  writer.number(EntryTag::kKind, static_cast<uint64_t>(entry.kind));
  writer.text(EntryTag::kPath, entry.path);
  writer.number(EntryTag::kMode, entry.mode);
  writer.number(EntryTag::kModified, static_cast<uint64_t>(entry.modified));
  writer.number(EntryTag::kNanoseconds, entry.nanoseconds);
  writer.number(EntryTag::kOwner, entry.owner);
  writer.number(EntryTag::kGroup, entry.group);
  writer.number(EntryTag::kSize, entry.size);
  writer.number(EntryTag::kTotal, entry.total);
  writer.text(EntryTag::kTarget, entry.target);
  for (const CopyEntry::Xattr& xattr : entry.xattrs)
    writer.text(EntryTag::kXattr, xattr.name + '\0' + xattr.value);
  return writer.payload();
}

bool decode(std::string_view payload, CopyEntry& entry) {
  entry = {};
  bool has_kind = false;
  const bool whole = read_all<EntryTag>(payload, [&](EntryTag tag, const Field& field) {
    switch (tag) {
      case EntryTag::kKind:
        return has_kind = read_kind(field, entry.kind);
      case EntryTag::kPath:
        return read(field, entry.path);
      case EntryTag::kMode:
        return read(field, UINT32_MAX, entry.mode);
      case EntryTag::kModified:
        return read(field, UINT64_MAX, entry.modified);
      case EntryTag::kNanoseconds:
        return read(field, kMostNanoseconds, entry.nanoseconds);
      case EntryTag::kOwner:
        return read(field, UINT32_MAX, entry.owner);
      case EntryTag::kGroup:
        return read(field, UINT32_MAX, entry.group);
      case EntryTag::kSize:
        return read(field, UINT64_MAX, entry.size);
      case EntryTag::kTotal:
        return read(field, UINT64_MAX, entry.total);
      case EntryTag::kTarget:
        return read(field, entry.target);
      case EntryTag::kXattr:
        return read_xattr(field, entry.xattrs);
    }
    return true;
  });
  return whole && has_kind && is_sound(entry);
}

std::optional<CopyData> decode_copy_data(std::string_view payload) {
  constexpr size_t kOffsetBytes = sizeof(uint64_t);
  if (payload.size() <= kOffsetBytes) return std::nullopt;
  const auto offset = decode_position(payload.substr(0, kOffsetBytes));
  const std::string_view bytes = payload.substr(kOffsetBytes);
  if (!offset || *offset > static_cast<uint64_t>(INT64_MAX) - bytes.size()) return std::nullopt;
  return CopyData{.offset = *offset, .bytes = bytes};
}

}  // namespace knaller::channel
