// Work that is cut into pieces, done on all cores.
#ifndef KNALLER_BASE_PARALLEL_H_
#define KNALLER_BASE_PARALLEL_H_

#include <cstddef>
#include <functional>

namespace knaller {

// Calls work(0) to work(count - 1), each once and in about this order, on the caller's thread and as many
// others as there are further cores. Returns when all are done. What one call throws keeps those that have
// not begun from beginning, and is thrown to the caller.
void for_each_in_parallel(size_t count, const std::function<void(size_t)>& work);

}  // namespace knaller

#endif  // KNALLER_BASE_PARALLEL_H_
