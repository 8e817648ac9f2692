#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace knaller {
namespace {

class Crew {
 public:
  Crew(size_t count, const std::function<void(size_t)>& work) : count_(count), work_(work) {}

  void run(size_t threads) {
    {
      std::vector<std::jthread> others;
      try {
        while (others.size() + 1 < threads) others.emplace_back([this] { take_part(); });
      } catch (const std::system_error&) {
        // No more threads are to be had: those that are there do it.
      }
      take_part();
    }
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void take_part() {
    try {
      for (size_t at = next_++; at < count_ && !failed_; at = next_++) work_(at);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }

  const size_t count_;
  const std::function<void(size_t)>& work_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

unsigned core_count() {
  return std::max(1u, std::thread::hardware_concurrency());
}

void for_each_in_parallel(size_t count, const std::function<void(size_t)>& work) {
  Crew(count, work).run(std::clamp<size_t>(count, 1, core_count()));
}

}  // namespace knaller
