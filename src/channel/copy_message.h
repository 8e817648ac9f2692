// What a copy into a guest, or out of one, says on its stream (docs/formats/agent.md): the request, and then,
// from whoever has the source to the other, its entries, each followed by a file's content. Pure, and
// without exceptions.
#ifndef KNALLER_CHANNEL_COPY_MESSAGE_H_
#define KNALLER_CHANNEL_COPY_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace knaller::channel {

// A kOpen for Service::kCopy. Its connection has no other stream.
struct CopyRequest {
  enum class Direction : uint8_t { kIn = 1, kOut };
  Direction direction = Direction::kIn;
  std::string user;  // as an ExecRequest's
  std::string group;
  std::string path;     // in the guest; where it is relative, from the user's home on
  std::string name;     // in: of the source, for a path that is a folder. Empty: a folder's contents alone
  bool folder = false;  // in: the source is one
  bool keep_attributes = false;  // in: owners, and modes whatever the umask is
  bool keep_xattrs = false;
  bool keep_links = false;  // out: the source stays the link that it is
  bool count = false;       // out: the source's entry is to say the total
};
std::string encode(const CopyRequest& request);
bool decode(std::string_view payload, CopyRequest& request);

// The payload of a kEntry; one frame. Of the source itself the path is empty, and it comes first.
struct CopyEntry {
  enum class Kind : uint8_t {
    kFile = 1,  // content follows, and a kEnd
    kFolder,    // what is in it follows, somewhere
    kLink,
    kHardLink,  // to a file that came before
    // Notes about what is not, or not quite, copied:
    kLeftOut,   // neither file, folder nor link
    kVanished,  // was there when its folder was read
    kChanged,   // a file that came before had another size at its end
  };
  struct Xattr {
    std::string name;
    std::string value;
    bool operator==(const Xattr&) const = default;
  };
  Kind kind = Kind::kFile;
  std::string path;  // below the source; no "." or ".." in it
  uint32_t mode = 0;
  int64_t modified = 0;  // seconds since 1970
  uint32_t nanoseconds = 0;
  uint32_t owner = 0;
  uint32_t group = 0;
  uint64_t size = 0;   // of a file, when it was opened
  uint64_t total = 0;  // of the source: the content of all its files; 0: not known
  std::string target;  // where a link leads; the path of the file that a hard link is another name of
  std::vector<Xattr> xattrs;
};
std::string encode(const CopyEntry& entry);
bool decode(std::string_view payload, CopyEntry& entry);

// The payload of a kData: where in the file the bytes belong, and they. Stretches that don't come are holes.
// The payload of its kEnd is the file's size (encode_position()).
struct CopyData {
  uint64_t offset = 0;
  std::string_view bytes;
};
inline constexpr size_t kMostCopyBytes = 60 << 10;  // in one frame: whole pages
std::optional<CopyData> decode_copy_data(std::string_view payload);

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_COPY_MESSAGE_H_
