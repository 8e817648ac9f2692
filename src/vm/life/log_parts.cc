#include "vm/life/log_parts.h"

#include <fcntl.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "store/layout.h"

namespace knaller::vm {
namespace {

UniqueFd open_if_exists(int directory, const std::string& name) {
  UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno != ENOENT) fail_errno("open '{}'", name);
  return file;
}

}  // namespace

// The one under the first name has it still when the other is open, so nothing was rotated between.
LogParts open_log_parts(int directory, const std::string& name) {
  while (true) {
    LogParts parts;
    parts.current = open_if_exists(directory, name);
    parts.older = open_if_exists(directory, layout::older_part(name));
    const bool still = parts.current ? is_still_named(directory, name, parts.current.get())
                                     : !stat_if_exists(directory, name);
    if (still) return parts;
  }
}

}  // namespace knaller::vm
