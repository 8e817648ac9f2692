// An argument of `cp`: PATH, or NAME:PATH in a VM. Pure.
#ifndef KNALLER_CLI_COPY_PATH_H_
#define KNALLER_CLI_COPY_PATH_H_

#include <string>
#include <string_view>

namespace knaller::cli {

struct CopyPath {
  std::string vm;  // empty: on this side
  std::string path;
};

// A colon that has a slash somewhere in front of it belongs to the path, as with scp. An empty path in a VM
// is the home directory there. Throws kInvalidArgument for an empty argument or name.
CopyPath parse_copy_path(std::string_view text);

}  // namespace knaller::cli

#endif  // KNALLER_CLI_COPY_PATH_H_
