// Subordinate user and group ids, as /etc/subuid and /etc/subgid grant them. Pure.
#ifndef KNALLER_IMAGE_SUB_IDS_H_
#define KNALLER_IMAGE_SUB_IDS_H_

#include <cstdint>
#include <string_view>

namespace knaller::image {

// The largest range that the text of /etc/subuid grants to the user of this name or this number; 0: none.
uint64_t most_sub_ids(std::string_view text, std::string_view user, std::string_view uid);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_SUB_IDS_H_
