#include "cli/signals.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/error.h"

namespace knaller::cli {
namespace {

std::atomic<int> g_pipe{-1};

void write_number(int number) {
  const int saved_errno = errno;
  const auto byte = static_cast<unsigned char>(number);
  // A full pipe holds thousands of unread signals: one more makes no difference.
  [[maybe_unused]] const ssize_t written = ::write(g_pipe.load(), &byte, 1);
  errno = saved_errno;
}

}  // namespace

SignalWatcher::Handlers::Handlers(int pipe) {
  g_pipe = pipe;
}

SignalWatcher::Handlers::~Handlers() {
  for (const auto& [number, action] : before_) ::sigaction(number, &action, nullptr);
  g_pipe = -1;
}

void SignalWatcher::Handlers::add(int number) {
  struct sigaction action {};
  action.sa_handler = write_number;
  action.sa_flags = SA_RESTART;
  struct sigaction before {};
  if (::sigaction(number, nullptr, &before) != 0) fail_errno("look at signal {}", number);
  // nohup(1) wants that of SIGHUP, and a script of SIGINT and SIGQUIT for what it runs in the background: its
  // Ctrl-C is not meant for a VM there.
  if (before.sa_handler == SIG_IGN) return;
  before_.reserve(before_.size() + 1);
  if (::sigaction(number, &action, nullptr) != 0) fail_errno("watch for signal {}", number);
  before_.emplace_back(number, before);
}

// The thread comes last: whatever fails before it, the members undo.
SignalWatcher::SignalWatcher(const std::vector<int>& numbers, Callback callback)
    : callback_(std::move(callback)), pipe_(make_pipe()) {
  handlers_.emplace(pipe_.write_end.get());
  for (const int number : numbers) handlers_->add(number);
  thread_ = std::thread([this] { run(); });
}

SignalWatcher::~SignalWatcher() {
  handlers_.reset();
  pipe_.write_end.reset();
  thread_.join();
}

void SignalWatcher::add(int number) {
  handlers_->add(number);
}

void SignalWatcher::set_callback(Callback callback) {
  const std::lock_guard lock(mutex_);
  callback_ = std::move(callback);
}

void SignalWatcher::run() {
  unsigned char byte = 0;
  while (read_up_to(pipe_.read_end.get(), &byte, 1, "the signal pipe") == 1) {
    const std::lock_guard lock(mutex_);
    callback_(byte);
  }
}

}  // namespace knaller::cli
