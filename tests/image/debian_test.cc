// The image debian: built with mmdebstrap in a user namespace, and booted with its systemd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace knaller::image
