#include "monitor/engine_worker.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <csignal>

namespace knaller::monitor {

EngineWorker::EngineWorker(Loop& loop, int jail_directory, std::string socket_name)
    : client_(jail_directory, std::move(socket_name)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) fail_errno("make an eventfd");
  watch_ = loop.watch(wake_.get(), POLLIN, [this](short) { deliver(); });
  thread_ = std::jthread([this](std::stop_token stop) { work(stop); });
}

EngineWorker::~EngineWorker() {
  thread_.request_stop();
  thread_.join();
}

void EngineWorker::post(Job job, Done done) {
  pending_.push_back({std::move(done), std::chrono::steady_clock::now()});
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

std::chrono::steady_clock::duration EngineWorker::oldest_wait() const {
  if (pending_.empty()) return {};
  return std::chrono::steady_clock::now() - pending_.front().since;
}

void EngineWorker::work(std::stop_token stop) {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return !jobs_.empty(); })) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    Result result;
    try {
      job(client_, stop);
    } catch (const std::exception& exception) {
      result.error = error_from(exception);
    }
    if (stop.stop_requested()) return;
    {
      const std::lock_guard lock(mutex_);
      results_.push_back(std::move(result));
    }
    ::eventfd_write(wake_.get(), 1);
  }
}

// A callback may destroy the worker (an engine that is given up): nothing of it is touched after that.
void EngineWorker::deliver() {
  eventfd_t count;
  ::eventfd_read(wake_.get(), &count);
  std::deque<Result> results;
  {
    const std::lock_guard lock(mutex_);
    results.swap(results_);
  }
  std::deque<std::pair<Done, Result>> due;
  for (auto& result : results) {
    due.emplace_back(std::move(pending_.front().done), std::move(result));
    pending_.pop_front();
  }
  for (auto& [done, result] : due) done(result.error);
}

}  // namespace knaller::monitor
