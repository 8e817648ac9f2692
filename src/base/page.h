// The size of a page of memory on x86-64, the only processor that knaller runs on.
#ifndef KNALLER_BASE_PAGE_H_
#define KNALLER_BASE_PAGE_H_

#include <cstdint>

namespace knaller {

inline constexpr uint64_t kPage = 4096;

}  // namespace knaller

#endif  // KNALLER_BASE_PAGE_H_
