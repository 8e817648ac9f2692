// A guest's life on knaller-qemu, but for snapshots (snapshot_test.cc). Real guests, under emulation.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "live_test.h"
#include "tiny_guest.h"

namespace knaller::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Live : public LiveTest {};

bool ends(int pidfd) {
  return poll_until(pidfd, POLLIN, guest_patience()) != 0;
}

UniqueFd open_pidfd(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) fail_errno("open process {}", pid);
  return fd;
}

TEST_F(Live, BootsWithItsDrivesInOrder) {
  LiveVm vm;
  vm.add_guest_files();
  add_disk(vm.folder(), "data.ext4", 8 << 20, "DISK-C");
  // Not in the order in which the guest has to see them: the root drive comes first.
  vm.client().apply(firecracker::put_drive({"data", "data.ext4", false, true}), guest_patience());
  vm.boot(2);
  EXPECT_EQ(vm.wait_for_line("disk vda"), "disk vda bytes=16777216 ro=0 label=DISK-A----------");
  EXPECT_EQ(vm.wait_for_line("disk vdb"), "disk vdb bytes=8388608 ro=1 label=DISK-C----------");
  EXPECT_EQ(vm.wait_for_line("cpus"), "cpus 2");
  EXPECT_EQ(vm.next_tick().number, 1);
  EXPECT_EQ(vm.client().describe(guest_patience()).state, "Running");
}

TEST_F(Live, BootsAnElfKernel) {
  LiveVm vm;
  vm.boot(1, "vmlinux");
  EXPECT_TRUE(vm.next_tick().has("mem=ok"));
}

TEST_F(Live, StandsStillWhilePaused) {
  LiveVm vm;
  vm.boot();
  vm.next_tick();
  vm.pause();
  vm.pause();
  EXPECT_EQ(vm.client().describe(guest_patience()).state, "Paused");
  const std::string before = vm.console();
  const std::string disk = digest_of(vm.folder(), "disk.ext4");
  vm.save();  // takes its time
  EXPECT_EQ(vm.console(), before);
  EXPECT_EQ(digest_of(vm.folder(), "disk.ext4"), disk);
  const int last = vm.last_tick().number;
  vm.resume();
  vm.resume();
  EXPECT_EQ(vm.client().describe(guest_patience()).state, "Running");
  while (vm.next_tick().number <= last) {
  }
}

TEST_F(Live, CtrlAltDelEndsIt) {
  LiveVm vm;
  vm.boot();
  vm.wait_for_line("guest up");
  vm.client().apply(firecracker::send_ctrl_alt_del(), guest_patience());
  const auto status = vm.child().wait(guest_patience());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->describe(), "exit code 0");
  EXPECT_THAT(vm.console(), HasSubstr("reboot: Restarting system"));
  EXPECT_THAT(vm.folder().read("log"), HasSubstr("guest-reset"));
}

TEST_F(Live, QemuDiesWithKnallerQemu) {
  LiveVm vm;
  vm.boot();
  vm.wait_for_line("guest up");
  const UniqueFd qemu = open_pidfd(vm.qemu_pid());
  vm.child().kill_and_reap();
  EXPECT_TRUE(ends(qemu.get()));
}

TEST_F(Live, KnallerQemuEndsWithQemu) {
  LiveVm vm;
  vm.boot();
  vm.wait_for_line("guest up");
  const UniqueFd qemu = open_pidfd(vm.qemu_pid());
  ASSERT_EQ(::syscall(SYS_pidfd_send_signal, qemu.get(), SIGKILL, nullptr, 0), 0);
  const auto status = vm.child().wait(guest_patience());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->describe(), "exit code 1");
}

// A lock that tells others that the VM lives is held by QEMU too.
TEST_F(Live, QemuKeepsInheritedDescriptors) {
  LiveVm vm({.wrapper = {"/bin/sh", "-c", "exec 7>alive; exec \"$@\"", "sh"}});
  vm.boot();
  vm.wait_for_line("guest up");
  const auto link = std::string("/proc/") + std::to_string(vm.qemu_pid()) + "/fd/7";
  char target[4096] = {};
  ASSERT_GT(::readlink(link.c_str(), target, sizeof target - 1), 0);
  EXPECT_EQ(std::string(target), vm.folder().path("alive"));
}

TEST_F(Live, ChangesTheFileOfADriveWhileItRuns) {
  LiveVm vm;
  vm.boot();
  EXPECT_TRUE(vm.next_tick().has("size=32768 label=DISK-A"));
  vm.client().apply(firecracker::patch_drive({"rootfs", "other.ext4", {}}), guest_patience());
  while (!vm.next_tick().has("size=49152 label=DISK-B")) {
  }
  const std::string disk = digest_of(vm.folder(), "disk.ext4");
  const std::string other = digest_of(vm.folder(), "other.ext4");
  // Of two ticks that were not there before, one at least wrote.
  const int before = vm.last_tick().number;
  while (vm.next_tick().number < before + 2) {
  }
  EXPECT_EQ(digest_of(vm.folder(), "disk.ext4"), disk);
  EXPECT_NE(digest_of(vm.folder(), "other.ext4"), other);
  // What does not open changes nothing.
  EXPECT_THAT(vm.answer_to(firecracker::patch_drive({"rootfs", "missing", {}})), StartsWith("400 "));
  EXPECT_TRUE(vm.next_tick().has("label=DISK-B"));
}

// The sequence in which the Go program takes a snapshot.
TEST_F(Live, ChangesTheFileOfADriveWhilePausedAndSaved) {
  LiveVm vm;
  vm.boot();
  vm.next_tick();
  vm.pause();
  vm.client().apply(firecracker::patch_drive({"rootfs", "other.ext4", {}}), guest_patience());
  vm.save();
  vm.client().apply(firecracker::patch_drive({"rootfs", "disk.ext4", {}}), guest_patience());
  vm.resume();
  vm.next_tick();
  while (!vm.next_tick().has("size=32768 label=DISK-A")) {
  }
}

TEST_F(Live, ALimitedDriveIsSlow) {
  LiveVm vm;
  vm.add_guest_files();
  // Each tick reads once and writes once, directly.
  firecracker::Drive slow{"rootfs", "disk.ext4", true, false, firecracker::RateLimiter{{}, {{2, {}, 1000}}}};
  vm.client().apply(
      firecracker::put_boot_source({"bzImage", "initramfs", "console=ttyS0 quiet reboot=k panic=-1"}),
      guest_patience());
  vm.client().apply(firecracker::put_drive(slow), guest_patience());
  vm.client().apply(firecracker::put_machine_config({1, 192}), guest_patience());
  vm.client().apply(firecracker::start_instance(), guest_patience());
  vm.wait_for_line("tick 2.");
  const auto start = std::chrono::steady_clock::now();
  vm.wait_for_line("tick 6.");
  EXPECT_GT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(2500));
  // Without a limit again: ten ticks take at least eight seconds with it.
  vm.client().apply(firecracker::patch_drive({"rootfs", {}, firecracker::RateLimiter{{}, {{0, {}, 0}}}}),
                    guest_patience());
  EXPECT_THAT(vm.client().apply(firecracker::get_vm_config(), guest_patience()),
              HasSubstr("\"rate_limiter\""));
  vm.wait_for_line("tick 12.");
}

TEST_F(Live, RunsFromAConfigurationFile) {
  EngineFolder folder;
  for (const char* name : {"bzImage", "initramfs"}) {
    folder.write(name, read_file(guest_files() + "/" + name, 64 << 20));
  }
  add_disk(folder, "disk.ext4", 16 << 20, "DISK-A");
  folder.write("vm.json", R"({"boot-source": {"kernel_image_path": "bzImage", "initrd_path": "initramfs",
    "boot_args": "console=ttyS0 quiet reboot=t panic=-1 rdinit=/bin/busybox"},
    "drives": [{"drive_id": "rootfs", "path_on_host": "disk.ext4", "is_root_device": true, "is_read_only": false}],
    "machine-config": {"vcpu_count": 1, "mem_size_mib": 128}, "serial": {"serial_out_path": "serial"}})");
  SpawnOptions options;
  options.argv = {KNALLER_QEMU, "--no-api", "--config-file", "vm.json",
                  "--accel",    "tcg",      "--log-path",    "log"};
  options.working_directory = folder.path();
  // The first program ends at once: the kernel panics and resets.
  const auto output = run_program(options, guest_patience());
  EXPECT_TRUE(output.status.success()) << output.status.describe() << output.err << folder.read("log");
  EXPECT_EQ(output.out, "");
  EXPECT_THAT(folder.read("serial"), HasSubstr("Kernel panic - not syncing"));
}

// In a network namespace of its own, with the TAP that the guest pings. Its address is always the same: a
// restored guest knows it, and would send to an old one for half a minute.
LiveOptions with_tap(const std::string& tap = "tap0") {
  const std::string prepare = fmt::format(
      "ip link set lo up && ip tuntap add {0} mode tap && ip addr add 10.0.0.1/24 dev {0} && ip link set {0} "
      "address 06:00:0a:00:00:01 up && exec \"$@\"",
      tap);
  return {.wrapper = {"unshare", "--user", "--map-root-user", "--net", "--", "/bin/sh", "-c", prepare, "sh"}};
}

TEST_F(Live, TalksToTheNetworkBehindItsTap) {
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun does not open";
  LiveVm vm(with_tap());
  vm.client().apply(firecracker::put_network_interface({"eth0", "tap0", "06:00:0a:ff:fe:02"}),
                    guest_patience());
  vm.boot();
  EXPECT_EQ(vm.wait_for_line("mac"), "mac 06:00:0a:ff:fe:02");
  while (!vm.next_tick().has("net=ok")) {
  }
  vm.pause();
  vm.save();
  vm.resume();
  vm.next_tick();
  while (!vm.next_tick().has("net=ok")) {
  }
  LiveVm clone(with_tap());
  clone.load_from(vm.folder());
  clone.next_tick();
  while (!clone.next_tick().has("net=ok")) {
  }
  // Another one's, which the state does not name.
  LiveVm moved(with_tap("tap1"));
  moved.load_from(vm.folder(), true, {{"eth0", "tap1"}});
  moved.next_tick();
  while (!moved.next_tick().has("net=ok")) {
  }
}

// The guest pings once a tick, and waits for the answer.
std::chrono::nanoseconds time_of_five_ticks(LiveVm& vm) {
  const auto begin = std::chrono::steady_clock::now();
  const int first = vm.last_tick().number;
  while (vm.next_tick().number < first + 5) {
  }
  return std::chrono::steady_clock::now() - begin;
}

// One frame a second. Of five ticks the first may have begun, and one frame may have been saved up.
constexpr auto kLimitedTime = std::chrono::seconds(3);
const std::string kOneASecond = R"({"ops":{"size":1,"refill_time":1000}})";
const std::string kNoLimit = R"({"ops":{"size":0,"refill_time":0}})";

void expect_free(LiveVm& vm) {
  while (time_of_five_ticks(vm) >= kLimitedTime - std::chrono::seconds(1)) {
  }
  while (!vm.next_tick().has("net=ok")) {
  }
}

TEST_F(Live, LimitsFramesBothWaysAndLetsThemBeChanged) {
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun does not open";
  LiveVm vm(with_tap());
  const auto patch = [&](const std::string& direction, const std::string& limiter) {
    const std::string body = fmt::format(R"({{"iface_id":"eth0","{}_rate_limiter":{}}})", direction, limiter);
    EXPECT_EQ(vm.answer_to(request("PATCH", "/network-interfaces/eth0", body)), "204 ");
  };
  vm.client().apply(
      request("PUT", "/network-interfaces/eth0",
              R"({"iface_id":"eth0","host_dev_name":"tap0","tx_rate_limiter":)" + kOneASecond + "}"),
      guest_patience());
  vm.boot();
  vm.next_tick();
  EXPECT_GE(time_of_five_ticks(vm), kLimitedTime);
  patch("tx", kNoLimit);
  expect_free(vm);
  patch("rx", kOneASecond);
  EXPECT_GE(time_of_five_ticks(vm), kLimitedTime);
  vm.pause();
  vm.save();
  LiveVm clone(with_tap());
  clone.load_from(vm.folder());
  clone.next_tick();
  EXPECT_GE(time_of_five_ticks(clone), kLimitedTime);
  EXPECT_EQ(clone.answer_to(request("PATCH", "/network-interfaces/eth0",
                                    R"({"iface_id":"eth0","rx_rate_limiter":)" + kNoLimit + "}")),
            "204 ");
  expect_free(clone);
}

TEST_F(Live, RefusesToLimitWhatWasStartedWithoutALimit) {
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun does not open";
  LiveVm vm(with_tap());
  vm.client().apply(firecracker::put_network_interface({"eth0", "tap0", "06:00:0a:ff:fe:02"}),
                    guest_patience());
  vm.boot();
  EXPECT_THAT(vm.answer_to(request("PATCH", "/network-interfaces/eth0",
                                   R"({"iface_id":"eth0","rx_rate_limiter":)" + kOneASecond + "}")),
              ::testing::AllOf(StartsWith("400 "), HasSubstr("started without one")));
}

TEST_F(Live, SaysWhichTapIsTaken) {
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun does not open";
  LiveVm vm({.wrapper = {"unshare", "--user", "--net", "--"}});
  vm.client().apply(firecracker::put_network_interface({"eth0", "tap0", "06:00:0a:ff:fe:02"}),
                    guest_patience());
  try {
    vm.boot();
    FAIL() << "a TAP device was made without the right to";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("Open tap device failed"));
    EXPECT_THAT(error.what(), HasSubstr("tap0"));
  }
  EXPECT_EQ(vm.client().describe(guest_patience()).state, "Not started");
}

TEST_F(Live, WritesMetricsWhenAsked) {
  LiveVm vm;
  vm.client().apply(request("PUT", "/metrics", R"({"metrics_path":"metrics"})"), guest_patience());
  vm.folder().write("vmlinux", counting_kernel());
  vm.client().apply(firecracker::put_boot_source({"vmlinux", {}, ""}), guest_patience());
  vm.answer_to(firecracker::put_drive({"missing", "missing", false, false}));
  vm.client().apply(firecracker::start_instance(), guest_patience());
  EXPECT_EQ(vm.folder().read("metrics"), "");
  vm.client().apply(request("PUT", "/actions", R"({"action_type":"FlushMetrics"})"), guest_patience());
  const std::string metrics = vm.folder().read("metrics");
  EXPECT_THAT(metrics, HasSubstr(R"("actions_count":1)"));
  EXPECT_THAT(metrics, HasSubstr(R"("drive_count":1,"drive_fails":1)"));
  EXPECT_THAT(metrics, HasSubstr(R"("utc_timestamp_ms":)"));
}

TEST_F(Live, RefusesAKernelThatQemuHasNoWayInto) {
  LiveVm vm;
  vm.add_guest_files();
  // An ELF file that Firecracker would boot, but without the note by which QEMU enters it.
  vm.folder().write("kernel", tiny_kernel());
  vm.client().apply(firecracker::put_boot_source({"kernel", {}, "console=ttyS0"}), guest_patience());
  EXPECT_THAT(vm.answer_to(firecracker::start_instance()), HasSubstr("PVH"));
  EXPECT_EQ(vm.client().describe(guest_patience()).state, "Not started");
  // The same engine still starts a good one.
  vm.boot();
  vm.wait_for_line("guest up");
}

}  // namespace
}  // namespace knaller::test
