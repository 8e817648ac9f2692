// Paths that users give, and what the source of a copy is called by them.
#ifndef KNALLER_ENTRY_PATH_NAME_H_
#define KNALLER_ENTRY_PATH_NAME_H_

#include <string>
#include <string_view>

namespace knaller::entry {

struct PathName {
  std::string folder;      // "/var", ".", "/"
  std::string name;        // the last part; empty for a path that names its contents: "/", ".", "x/."
  bool is_folder = false;  // ends in a slash: must be a folder
};
// Pure. `whose`: "in the guest", for messages. Throws kInvalidArgument for an empty path, a NUL, and for ".."
// as the last part.
PathName split_path(std::string_view path, std::string_view whose);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_PATH_NAME_H_
