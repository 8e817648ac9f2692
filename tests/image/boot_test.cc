// The image tiny on a real, emulated machine.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>

#include "base/error.h"
#include "base/text.h"
#include "disk/ext4.h"
#include "disk/private_disk.h"
#include "guest.h"
#include "shared_home.h"

namespace knaller::image {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Boot : public ::testing::Test {
 protected:
  Boot() { disk::make_private_disk(disk_, 64); }
  GuestOptions options() const { return {.folder = folder_.path(), .disk = disk_}; }

  TestFolder folder_;
  std::string disk_ = folder_.path("disk.ext4");
};

TEST_F(Boot, ReachesItsSshServerAndIsWhatItWasToldToBe) {
  // A larger device than its file system, and more block groups than its one block of descriptors holds.
  ASSERT_EQ(::truncate(disk_.c_str(), off_t{20} << 30), 0);
  Guest guest(SharedHome::shared().tiny(), options());
  ASSERT_TRUE(guest.wait_for("\nknaller: ready"));
  std::cout << "tiny was ready after " << guest.since_start().count() << " ms\n";

  EXPECT_EQ(guest.run("hostname"), "web\n");
  EXPECT_EQ(guest.run("cat /etc/resolv.conf"), "nameserver 10.0.2.3\n");
  EXPECT_THAT(guest.run("ip route"), HasSubstr("default via 10.0.2.2 dev eth0"));
  EXPECT_THAT(guest.run("mount"), HasSubstr("overlay on / type overlay (rw"));
  EXPECT_THAT(guest.run("mount"), HasSubstr("/dev/vdb on /var/lib/knaller type ext4 (rw"));
  EXPECT_EQ(guest.run("stat -c '%u:%g %a' /root/.ssh /root/.ssh/authorized_keys"), "0:0 700\n0:0 600\n");
  const auto mib =
      parse_integer(trim(guest.run("df -m /var/lib/knaller | tail -1 | awk '{print $2}'")), 0, 1 << 20);
  EXPECT_GT(mib.value_or(0), 18'000) << "the file system did not grow";
  int code = 0;
  guest.run("exit 7", {}, &code);
  EXPECT_EQ(code, 7);
}

TEST_F(Boot, EndsOrderlyAndKeepsItsDisk) {
  const Image& tiny = SharedHome::shared().tiny();
  {
    Guest guest(tiny, options());
    ASSERT_TRUE(guest.wait_for("\nknaller: ready"));
    guest.run(
        "echo kept > /root/file && cat /etc/dropbear/dropbear_ed25519_host_key | md5sum > /root/host-key");
    // It needs its time to save what it has, and gets it.
    guest.run(
        "mkfifo /tmp/armed; (trap 'sleep 4; echo saved > /root/saved; exit' TERM; echo > /tmp/armed; sleep "
        "1000 & wait) "
        "> /dev/null 2>&1 & cat /tmp/armed");
    guest.press_ctrl_alt_del();
    ASSERT_TRUE(guest.wait_for_end());
    EXPECT_THAT(guest.console(), HasSubstr("\nknaller: poweroff"));
    EXPECT_THAT(guest.console(), HasSubstr("reboot: Restarting system"));
  }
  EXPECT_EQ(debugfs(disk_, "cat /upper/root/saved"), "saved\n");
  // Nothing is left to be replayed: other programs read this disk.
  EXPECT_THAT(debugfs(disk_, "features"), Not(HasSubstr("needs_recovery")));
  EXPECT_EQ(debugfs(disk_, "cat /upper/root/file"), "kept\n");
  {
    Guest guest(tiny, options());
    ASSERT_TRUE(guest.wait_for("\nknaller: ready"));
    EXPECT_EQ(guest.run("cat /root/file"), "kept\n");
    EXPECT_EQ(guest.run("md5sum < /etc/dropbear/dropbear_ed25519_host_key"), guest.run("cat /root/host-key"));
    int code = 0;
    guest.run("reboot", {}, &code);
    ASSERT_TRUE(guest.wait_for_end());
    EXPECT_THAT(guest.console(), Not(HasSubstr("knaller: poweroff")));
  }
}

// The second time means that the host's patience is nearly over.
TEST_F(Boot, EndsAtOnceWhenItIsAskedAgain) {
  Guest guest(SharedHome::shared().tiny(), options());
  ASSERT_TRUE(guest.wait_for("\nknaller: ready"));
  guest.run(
      "(trap 'echo heard > /dev/console' TERM; touch /run/trapped; while :; do sleep 1000 & wait; done) > "
      "/dev/null 2>&1 & until [ -e /run/trapped ]; do sleep 0.01; done");
  guest.press_ctrl_alt_del();
  ASSERT_TRUE(guest.wait_for("\nheard"));
  guest.press_ctrl_alt_del();
  ASSERT_TRUE(guest.wait_for_end());
  EXPECT_THAT(guest.console(), HasSubstr("\nknaller: poweroff"));
  EXPECT_THAT(debugfs(disk_, "features"), Not(HasSubstr("needs_recovery")));
}

// Its disk may be full, and its owner may not want a file changed: it boots, and says what it went without.
TEST_F(Boot, NeedsNoRoomAndChangesNoFileByForce) {
  const Image& tiny = SharedHome::shared().tiny();
  disk_ = folder_.path("small.ext4");
  disk::make_ext4(disk_, {.bytes = 32 << 20, .inodes = 128}, Deadline::never());
  {
    Guest guest(tiny, options());
    ASSERT_TRUE(guest.wait_for("\nknaller: ready"));
    guest.run("printf '127.0.1.10 db.local\\n' >> /etc/hosts; chmod 640 /etc/hosts; : > /etc/resolv.conf");
    // No inode is left, and then no block.
    guest.run(
        "mkdir /f; i=0; while true > /f/$i; do i=$((i+1)); done 2> /dev/null; cat /dev/zero > /f/0; sync; "
        "true");
    guest.press_ctrl_alt_del();
    ASSERT_TRUE(guest.wait_for_end());
  }
  debugfs(disk_, "sif /upper/etc/resolv.conf flags 0x80010", DebugfsMode::kWrite);
  GuestOptions renamed = options();
  renamed.hostname = "web2";
  Guest guest(tiny, renamed);
  ASSERT_TRUE(guest.wait_for("\nknaller: ready"));
  EXPECT_THAT(guest.console(), HasSubstr("knaller: could not write /etc/resolv.conf: "));
  EXPECT_EQ(guest.run("hostname"), "web2\n");
  EXPECT_THAT(guest.run("cat /etc/hosts"), HasSubstr("127.0.1.10 db.local\n"));
  EXPECT_EQ(guest.run("stat -c %a /etc/hosts"), "640\n");
  guest.run("rm -r /f && echo room > /root/file");
}

TEST_F(Boot, BecomesItselfAgainWhenTold) {
  Guest guest(SharedHome::shared().tiny(), options());
  ASSERT_TRUE(guest.wait_for("\nknaller: ready"));
  const std::string request =
      fmt::format(R"({{"v":1,"entropy":"{}","time_ns":2000000000000000000,"hostname":"web2"}})",
                  base64(random_bytes(64)));
  EXPECT_EQ(guest.run("/usr/lib/knaller/guest renew", request + "\n"), "{\"v\":1,\"ok\":true}\n");
  EXPECT_EQ(guest.run("hostname && cat /etc/hostname"), "web2\nweb2\n");
  EXPECT_THAT(guest.run("date +%s"), StartsWith("20000000"));
  EXPECT_THAT(guest.run("cat /etc/hosts"), HasSubstr("127.0.1.1\tweb2"));
  int code = 0;
  guest.run("poweroff", {}, &code);
  ASSERT_TRUE(guest.wait_for_end());
  EXPECT_THAT(guest.console(), HasSubstr("\nknaller: poweroff"));
}

TEST_F(Boot, IsReadyWithoutANetwork) {
  GuestOptions without = options();
  without.network = false;
  Guest guest(SharedHome::shared().tiny(), without);
  EXPECT_TRUE(guest.wait_for("\nknaller: ready"));
}

// Who has seen it relies on it, and the guest may be ended in the next moment.
TEST_F(Boot, HasItsHostKeyOnTheDiskWhenItIsReady) {
  {
    Guest guest(SharedHome::shared().tiny(), options());
    ASSERT_TRUE(guest.wait_for("\nknaller: ready"));
  }
  replay_journal(disk_);
  EXPECT_THAT(debugfs(disk_, "cat /upper/etc/dropbear/dropbear_ed25519_host_key"), HasSubstr("ssh-ed25519"));
}

// Half of what was asked for is worse than a guest that says what is wrong and ends.
TEST_F(Boot, SaysWhyItCannot) {
  GuestOptions bad = options();
  bad.extra = "knaller.net=nonsense";
  Guest guest(SharedHome::shared().tiny(), bad);
  EXPECT_TRUE(guest.wait_for("knaller: cannot boot: cannot understand 'knaller.net=nonsense'"));
  EXPECT_TRUE(guest.wait_for_end());
  EXPECT_THAT(guest.console(), HasSubstr("Kernel panic"));
}

TEST_F(Boot, SaysThatTheDiskIsNone) {
  {
    const UniqueFd file = open_at(AT_FDCWD, disk_, O_WRONLY);
    write_all(file.get(), std::string(1 << 20, 'x'), "the disk");
  }
  Guest guest(SharedHome::shared().tiny(), options());
  EXPECT_TRUE(guest.wait_for("knaller: cannot mount /dev/vdb (ext4) on /disk"));
  EXPECT_TRUE(guest.wait_for_end());
}

}  // namespace
}  // namespace knaller::image
