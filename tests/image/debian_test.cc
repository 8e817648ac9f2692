// The image debian: built with mmdebstrap in a user namespace, and booted with its systemd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "base/error.h"
#include "disk/private_disk.h"
#include "guest.h"
#include "shared_home.h"

namespace knaller::image {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Debian, IsAUsableSystem) {
  const TestFolder folder;
  const store::Home home = store::Home::open(folder.path("home"));
  const Image image = build(home, {.kind = "debian", .guest_helper = KNALLER_GUEST_HELPER},
                            Deadline::after(std::chrono::minutes(15)));
  EXPECT_THAT(all_entries(home), ::testing::ElementsAre("debian"));
  EXPECT_THAT(debugfs(image.base, "stat /usr/bin/su"), HasSubstr("Mode:  04755"));
  EXPECT_THAT(debugfs(image.base, "stat /usr/bin/su"), HasSubstr("User:     0   Group:     0"));
  EXPECT_THAT(debugfs(image.base, "ls /etc/ssh"), Not(HasSubstr("ssh_host")));

  disk::make_private_disk(folder.path("disk.ext4"), 1024);
  Guest guest(image, {.folder = folder.path(), .disk = folder.path("disk.ext4")});
  ASSERT_TRUE(guest.wait_for("\nknaller: ready", std::chrono::seconds(400)));
  std::cout << "debian was ready after " << guest.since_start().count() << " ms\n";
  EXPECT_EQ(guest.run("systemctl is-system-running --wait"), "running\n");
  EXPECT_EQ(guest.run("hostname"), "web\n");
  EXPECT_THAT(guest.run("rsync --version && python3 -c 'print(6 * 7)'"), HasSubstr("42"));
  EXPECT_EQ(guest.run("modprobe bridge && grep -c ^bridge /proc/modules"), "1\n");
  EXPECT_EQ(guest.run("/usr/lib/knaller/guest renew", "{\"v\":1,\"hostname\":\"web2\"}\n"),
            "{\"v\":1,\"ok\":true}\n");
  int code = 0;
  guest.run("poweroff", {}, &code);
  ASSERT_TRUE(guest.wait_for_end());
  EXPECT_THAT(guest.console(), HasSubstr("\nknaller: poweroff"));
  EXPECT_THAT(debugfs(folder.path("disk.ext4"), "features"), Not(HasSubstr("needs_recovery")));
}

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
    return {.kind = "debian", .guest_helper = KNALLER_GUEST_HELPER, .sink = [action](const Event& event) {
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
  home_.sweep();
  EXPECT_THAT(all_entries(home_), ::testing::IsEmpty());
}

}  // namespace
}  // namespace knaller::image
