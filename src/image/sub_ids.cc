#include "image/sub_ids.h"

#include <algorithm>

#include "base/text.h"

namespace knaller::image {

uint64_t most_sub_ids(std::string_view text, std::string_view user, std::string_view uid) {
  uint64_t most = 0;
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(trim(line), ':');  // name or number:first:count
    if (fields.size() != 3 || (fields[0] != user && fields[0] != uid)) continue;
    const auto count = parse_integer(fields[2], 0, UINT32_MAX);
    if (count) most = std::max(most, static_cast<uint64_t>(*count));
  }
  return most;
}

}  // namespace knaller::image
