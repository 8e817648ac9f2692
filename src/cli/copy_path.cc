#include "cli/copy_path.h"

#include "base/error.h"
#include "base/text.h"

namespace knaller::cli {

CopyPath parse_copy_path(std::string_view text) {
  if (text.empty()) fail(Code::kInvalidArgument, "a path is empty");
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.substr(0, colon).find('/') != std::string_view::npos)
    return {"", std::string(text)};
  if (colon == 0)
    throw Error(Code::kInvalidArgument, fmt::format("'{}': no VM in front of the colon", printable(text)),
                "a path on this side that has a colon is written with a slash in front: ./a:b");
  CopyPath path{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  if (path.path.empty()) path.path = ".";
  return path;
}

}  // namespace knaller::cli
