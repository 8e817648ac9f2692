#include "entry/path_name.h"

#include "base/error.h"
#include "base/text.h"

namespace knaller::entry {
namespace {

std::string_view without_slashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

}  // namespace

PathName split_path(std::string_view path, std::string_view whose) {
  if (path.empty() || path.find('\0') != std::string_view::npos)
    fail(Code::kInvalidArgument, "'{}' is not a path {}", printable(path), whose);
  PathName split{.folder = ".", .name = "", .is_folder = path.back() == '/'};
  const std::string_view bare = without_slashes(path);
  const size_t slash = bare.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? bare : bare.substr(slash + 1);
  if (last == "..")
    throw Error(Code::kInvalidArgument, fmt::format("'{}' ends in '..'", printable(path)),
                "name the folder itself");
  if (last.empty() || last == ".") {
    split.folder = std::string(bare);
    split.is_folder = true;
    return split;
  }
  split.name = std::string(last);
  if (slash != std::string_view::npos) split.folder = slash == 0 ? "/" : std::string(bare.substr(0, slash));
  return split;
}

}  // namespace knaller::entry
