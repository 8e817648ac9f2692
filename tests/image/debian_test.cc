// Builds of the image debian that are stopped half-way. A whole one is built and used by
// tests/e2e/debian.bats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "shared_home.h"
#include "store/sweep.h"

namespace knaller::image {
namespace {

// mmdebstrap's chroot belongs to subordinate ids: what it leaves there its user can't even remove.
class StoppedDebian : public ::testing::Test {
 protected:
  StoppedDebian() {
    EXPECT_EQ(::chmod(temporary_.path().c_str(), 0755), 0);
    ::setenv("TMPDIR", temporary_.path().c_str(), 1);
  }
  ~StoppedDebian() override { ::setenv("TMPDIR", before_.c_str(), 1); }

  // Calls `action` in the middle of the installation.
  BuildOptions options(const std::function<void()>& action) const {
    return {.kind = BuildKind::kDebian,
            .guest_helper = KNALLER_GUEST_HELPER,
            .sink = [action](const Event& event) {
              if (event.text.find("installing essential packages") != std::string::npos) action();
            }};
  }

  const std::string before_ = std::getenv("TMPDIR") == nullptr ? "/tmp" : std::getenv("TMPDIR");
  const TestFolder folder_;
  const TestFolder temporary_;
  const store::Home home_ = store::Home::open(folder_.path("home"));
};

TEST_F(StoppedDebian, LeavesNoChrootBehind) {
  std::stop_source stop;
  EXPECT_EQ(code_thrown_by([&] {
              build(home_, options([&] { stop.request_stop(); }), Deadline::never(stop.get_token()));
            }),
            Code::kCancelled);
  EXPECT_THAT(list_directory(temporary_.fd()), ::testing::IsEmpty());
  EXPECT_THAT(all_entries(home_), ::testing::IsEmpty());
}

// mmdebstrap's process 1 does not hear a signal while no program runs for it. Here it takes its time there.
class StoppedSlowDebian : public StoppedDebian {
 protected:
  StoppedSlowDebian() {
    make_directories(folder_.path("bin"));
    write_file_atomically(folder_.fd(), "bin/Slow.pm", R"(package Slow;
      use POSIX ();
      no warnings;
      my $real = \&POSIX::sigprocmask;
      *POSIX::sigprocmask = sub { select(undef, undef, undef, 0.5) if $_[0] == POSIX::SIG_BLOCK(); $real->(@_) };
      1;)");
    write_file_atomically(
        folder_.fd(), "bin/mmdebstrap",
        "#!/bin/sh\nexec perl -I" + folder_.path("bin") + " -MSlow /usr/bin/mmdebstrap \"$@\"\n",
        Durability::kFsync, 0700);
    ::setenv("PATH", (folder_.path("bin") + ":" + path_before_).c_str(), 1);
  }
  ~StoppedSlowDebian() override { ::setenv("PATH", path_before_.c_str(), 1); }

  const std::string path_before_ = std::getenv("PATH");
};

TEST_F(StoppedSlowDebian, AsksAgainWhenItWasNotHeard) {
  std::stop_source stop;
  Deadline soon = Deadline::never();
  EXPECT_EQ(code_thrown_by([&] {
              build(home_, options([&] {
                      soon = Deadline::after(std::chrono::seconds(45));
                      stop.request_stop();
                    }),
                    Deadline::never(stop.get_token()));
            }),
            Code::kCancelled);
  EXPECT_FALSE(soon.expired());
  EXPECT_THAT(list_directory(temporary_.fd()), ::testing::IsEmpty());
}

TEST_F(StoppedDebian, KilledLeavesNoChrootBehindEither) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    code_thrown_by([&] { build(home_, options([] { ::raise(SIGKILL); }), Deadline::never()); });
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status));
  // It cleans up on its own time, once the package that it is at is through: nobody is left who could wait
  // for it.
  const Deadline deadline = Deadline::after(std::chrono::minutes(5));
  while (!list_directory(temporary_.fd()).empty() && !deadline.expired())
    pause_for(std::chrono::milliseconds(20), deadline);
  EXPECT_THAT(list_directory(temporary_.fd()), ::testing::IsEmpty());
  store::sweep(home_);
  EXPECT_THAT(all_entries(home_), ::testing::IsEmpty());
}

}  // namespace
}  // namespace knaller::image
