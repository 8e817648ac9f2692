// Paths in the guest, and what is there. The answers come from the guest: they are believed only about the
// guest.
#ifndef KNALLER_GUEST_GUEST_PATH_H_
#define KNALLER_GUEST_GUEST_PATH_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "guest/session.h"

namespace knaller::guest {

struct PathName {
  std::string folder;      // "/var", ".", "/"
  std::string name;        // the last part; empty for a path that names its contents: "/", ".", "x/."
  bool is_folder = false;  // ends in a slash: must be a folder
};
// Pure. Throws kInvalidArgument for an empty path, a NUL, and for ".." as the last part.
PathName split_path(std::string_view path, std::string_view whose);

enum class Kind { kNone, kFile, kFolder, kOther };  // other: a device, a pipe, a socket

struct GuestPath {
  Kind kind = Kind::kNone;  // of what a link leads to
  bool is_link = false;
  bool has_folder = false;  // the folder that it is in, or would be in, is there
  bool has_child = false;   // it is a folder, and something of the child's name is in it
  uint64_t size = 0;
  std::string resolved;  // of an existing path: without links
};
GuestPath look_at(Session& session, const std::string& path, const std::string& child,
                  const Deadline& deadline);

// Relative paths begin in the login folder; "./" keeps names with a dash from being options.
std::string safe_path(const std::string& path);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_GUEST_PATH_H_
