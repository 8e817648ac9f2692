// Work on other cores: cut into pieces, or while the caller does something else.
#ifndef KNALLER_BASE_PARALLEL_H_
#define KNALLER_BASE_PARALLEL_H_

#include <cstddef>
#include <functional>
#include <future>
#include <system_error>
#include <type_traits>
#include <utility>

namespace knaller {

// How many threads can work at once; at least one.
unsigned core_count();

// Calls work(0) to work(count - 1), each once and in about this order, on the caller's thread and as many
// others as there are further cores. Returns when all are done. What one call throws keeps those that have
// not begun from beginning, and is thrown to the caller.
void for_each_in_parallel(size_t count, const std::function<void(size_t)>& work);

// Begins work() on a thread of its own. get() gives its result, or throws what it has thrown; where no thread
// can be started, get() does the work. The future's destructor waits for a thread whose result nobody got.
template <typename Work>
std::future<std::invoke_result_t<Work>> begin_beside(Work work) {
  try {
    return std::async(std::launch::async, work);
  } catch (const std::system_error&) {
    return std::async(std::launch::deferred, std::move(work));
  }
}

}  // namespace knaller

#endif  // KNALLER_BASE_PARALLEL_H_
