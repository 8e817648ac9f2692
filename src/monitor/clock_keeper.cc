#include "monitor/clock_keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include "base/core_files.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "monitor/renewal.h"
#include "store/vm_record.h"

namespace knaller::monitor {
namespace {

// A guest does not mind less; a connection costs it more.
constexpr std::chrono::seconds kOfNote{1};
// Of the guest, to answer: after a sleep its host has other things to do.
constexpr std::chrono::seconds kSettingTime{60};
constexpr std::chrono::seconds kForLastWords{5};
constexpr size_t kMostWords = 300;

HostSleep::Time time_of(clockid_t clock) {
  timespec now = {};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// A timer that never comes, and is cancelled whenever the clock was set, the end of a sleep included.
void arm(int timer) {
  itimerspec never = {};
  never.it_value.tv_sec = INT32_MAX;
  if (::timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) != 0 &&
      errno != ECANCELED)
    fail_errno("watch the host's clock");
}

std::string read_words(int pipe) {
  std::string words(kMostWords, '\0');
  const ssize_t got = ::read(pipe, words.data(), words.size());
  words.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return printable(trim(words));
}

}  // namespace

int set_clock_main(const std::string& name) {
  forbid_core_files();  // it reads the VM's key
  const UniqueFd directory = open_directory(".");
  const std::string failure =
      set_guest_clock(store::read_vm_record(directory.get(), name), ".", Deadline::after(kSettingTime));
  std::fputs(failure.c_str(), stdout);
  return failure.empty() ? 0 : 1;
}

Child ClockKeeper::begin_setting(const std::string& vm, int output) {
  return spawn({.argv = {"/proc/self/exe", kSetClockFlag, vm}, .stdout_fd = output, .stderr_fd = output});
}

ClockKeeper::ClockKeeper(Loop& loop, Actions actions)
    : loop_(loop), actions_(std::move(actions)), sleep_(time_of(CLOCK_BOOTTIME), time_of(CLOCK_MONOTONIC)) {
  watch_for_sleep();
}

void ClockKeeper::watch_for_sleep() {
  changes_ = UniqueFd(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!changes_) fail_errno("watch the host's clock");
  arm(changes_.get());
  watch_ = loop_.watch(changes_.get(), POLLIN, [this](short) { on_clock_change(); });
}

void ClockKeeper::on_clock_change() {
  uint64_t ticks = 0;
  (void)!::read(changes_.get(), &ticks, sizeof ticks);  // says ECANCELED, and is not readable afterwards
  arm(changes_.get());
  const auto slept = sleep_.look(time_of(CLOCK_BOOTTIME), time_of(CLOCK_MONOTONIC));
  stood_still(slept, "the host's sleep");
}

void ClockKeeper::stood_still(std::chrono::nanoseconds time, const std::string& why) {
  if (time < kOfNote || !actions_.guest_runs()) return;
  set(fmt::format("{} ({})", why,
                  format_duration(std::chrono::duration_cast<std::chrono::microseconds>(time))));
}

void ClockKeeper::set(const std::string& why) {
  if (setting_) {
    next_ = why;
    return;
  }
  try {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) fail_errno("make a pipe");
    UniqueFd output(ends[0]);
    const UniqueFd input(ends[1]);
    setting_.emplace();
    setting_->output = std::move(output);
    setting_->why = why;
    setting_->child = actions_.set(input.get());
    setting_->end = loop_.watch(setting_->child.pidfd(), POLLIN, [this](short) { on_set(); });
    setting_->limit = loop_.after(kSettingTime + kForLastWords, [this] { setting_->child.signal(SIGKILL); });
  } catch (const std::exception& exception) {
    setting_.reset();
    actions_.warn(fmt::format("the guest's clock is behind by {}: {}", why, error_from(exception).what()));
  }
}

void ClockKeeper::on_set() {
  Setting over = std::move(*setting_);
  setting_.reset();
  const auto status = over.child.wait(Deadline::after(kForLastWords));
  if (!status || !status->success()) {
    const std::string words = read_words(over.output.get());
    const std::string reason = words.empty() && status ? status->sentence("the process that sets it") : words;
    actions_.warn(fmt::format("the guest's clock is behind by {}: {}", over.why, reason));
  }
  if (const auto again = std::exchange(next_, std::nullopt)) set(*again);
}

}  // namespace knaller::monitor
