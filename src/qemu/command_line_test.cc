#include "qemu/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace knaller::qemu {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

MachinePlan example() {
  MachinePlan plan;
  plan.binary = "/usr/bin/qemu-system-x86_64";
  plan.setup.boot_source = firecracker::BootSource{"vmlinux", "initramfs", "console=ttyS0"};
  plan.setup.vcpus = 2;
  plan.setup.memory_mib = 256;
  plan.setup.drives = {{.id = "rootfs", .path = "a,b=\"c\".ext4", .root = true},
                       {.id = "data", .path = "data.ext4", .read_only = true, .cache_type = "Writeback"}};
  plan.setup.network = {{.id = "eth0", .host_device = "tap0"}};
  plan.macs = {"06:00:0a:ff:fe:02"};
  plan.network_fds = {7};
  plan.control_fd = 5;
  plan.memory_fd = 6;
  plan.tsc_khz = 2596137;
  return plan;
}

std::string after(const std::vector<std::string>& arguments, const std::string& option, size_t nth = 0) {
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == option && nth-- == 0) return arguments[i + 1];
  }
  return "(none)";
}

TEST(CommandLine, OfABoot) {
  const auto arguments = qemu_arguments(example());
  EXPECT_EQ(after(arguments, "-kernel"), "vmlinux");
  EXPECT_EQ(after(arguments, "-initrd"), "initramfs");
  EXPECT_EQ(after(arguments, "-append"),
            "mitigations=off console=ttyS0 tsc_early_khz=2596137 tsc=reliable root=/dev/vda rw");
  EXPECT_EQ(after(arguments, "-smp"), "2");
  EXPECT_EQ(after(arguments, "-m"), "256M");
  EXPECT_EQ(after(arguments, "-netdev"), "tap,id=tap0,fd=7,vhost=off");
  EXPECT_THAT(arguments, Contains("-S"));
  EXPECT_THAT(arguments, Contains("-no-reboot"));
  EXPECT_THAT(arguments, Not(Contains("-incoming")));
  const Json memory = Json::parse(after(arguments, "-object"));
  EXPECT_EQ(memory["size"], 256u << 20);
  EXPECT_EQ(memory["share"], true);
  EXPECT_EQ(memory["mem-path"], "/proc/self/fd/6");
}

TEST(CommandLine, OfARestoreHasPrivateMemoryAndNoKernel) {
  MachinePlan plan = example();
  plan.incoming = true;
  const auto arguments = qemu_arguments(plan);
  EXPECT_EQ(after(arguments, "-incoming"), "defer");
  EXPECT_EQ(after(arguments, "-kernel"), "(none)");
  EXPECT_EQ(Json::parse(after(arguments, "-object"))["share"], false);
}

// Names of files may hold what QEMU's options would split at.
TEST(CommandLine, KeepsFileNamesWhole) {
  const auto arguments = qemu_arguments(example());
  const Json file = Json::parse(after(arguments, "-blockdev", 0));
  EXPECT_EQ(file["driver"], "file");
  EXPECT_EQ(file["filename"], "a,b=\"c\".ext4");
  EXPECT_EQ(file["cache"]["no-flush"], true);
  EXPECT_EQ(file["discard"], "unmap");
  EXPECT_EQ(Json::parse(after(arguments, "-blockdev", 1))["discard"], "unmap");
  const Json second = Json::parse(after(arguments, "-blockdev", 2));
  EXPECT_EQ(second["read-only"], true);
  EXPECT_EQ(second["cache"]["no-flush"], false);
}

TEST(CommandLine, ChoosesTheAccelerator) {
  MachinePlan plan = example();
  EXPECT_EQ(after(qemu_arguments(plan), "-accel"), "tcg,thread=multi");
  plan.accelerator = Accelerator::kKvm;
  EXPECT_EQ(after(qemu_arguments(plan), "-accel"), "kvm");
  EXPECT_EQ(after(qemu_arguments(plan), "-cpu"), "host");
  EXPECT_THAT(after(qemu_arguments(plan), "-append"), Not(HasSubstr("tsc_early_khz")));
}

// Without them, whoever runs in a guest on the bare processor can read the guest's kernel.
TEST(CommandLine, KeepsMitigationsOnTheBareProcessor) {
  MachinePlan plan = example();
  plan.accelerator = Accelerator::kKvm;
  EXPECT_THAT(after(qemu_arguments(plan), "-append"), Not(HasSubstr("mitigations")));
  plan.setup.boot_source->boot_args.clear();
  EXPECT_THAT(after(qemu_arguments(plan), "-append"), Not(HasSubstr("mitigations")));
}

TEST(CommandLine, LeavesTheLastWordOnMitigationsToTheUser) {
  MachinePlan plan = example();
  plan.setup.boot_source->boot_args = "console=ttyS0 mitigations=auto";
  EXPECT_THAT(after(qemu_arguments(plan), "-append"),
              HasSubstr("mitigations=off console=ttyS0 mitigations=auto"));
}

TEST(KernelArguments, NameTheRootDeviceAsFirecrackerDoes) {
  auto setup = example().setup;
  const auto arguments = [&] { return kernel_arguments(setup, Accelerator::kKvm, 0); };
  EXPECT_EQ(arguments(), "console=ttyS0 root=/dev/vda rw");
  setup.drives[0].read_only = true;
  EXPECT_EQ(arguments(), "console=ttyS0 root=/dev/vda ro");
  setup.drives[0].partuuid = "0eaa91a0-01";
  EXPECT_EQ(arguments(), "console=ttyS0 root=PARTUUID=0eaa91a0-01 ro");
  setup.drives[0].root = false;
  EXPECT_EQ(arguments(), "console=ttyS0");
  setup.boot_source->boot_args.clear();
  EXPECT_THAT(arguments(), HasSubstr("reboot=k panic=1"));
}

TEST(Throttle, IsOffWithoutALimit) {
  EXPECT_EQ(throttle_options({}, 1)["id"], "drive1");
  EXPECT_EQ(throttle_options({}, 1)["bps"], 0);
  // Firecracker takes a bucket without size or time for none.
  EXPECT_EQ(
      throttle_options(firecracker::RateLimiter{.bandwidth = {{.size = 0, .refill_time_ms = 100}}}, 0)["bps"],
      0);
  EXPECT_EQ(
      throttle_options(firecracker::RateLimiter{.bandwidth = {{.size = 9, .refill_time_ms = 0}}}, 0)["bps"],
      0);
}

TEST(Throttle, GivesTheRatePerSecond) {
  const auto options =
      throttle_options(firecracker::RateLimiter{.bandwidth = {{.size = 1000, .refill_time_ms = 100}},
                                                .ops = {{.size = 600, .refill_time_ms = 60000}}},
                       0);
  EXPECT_EQ(options["bps"], 10000);
  EXPECT_FALSE(options.contains("bps_max"));
  EXPECT_EQ(options["iops"], 10);
  EXPECT_EQ(options["iops_max"], 600);
}

TEST(Throttle, RefusesWhatItCannotDo) {
  firecracker::RateLimiter limiter{.ops = {{.size = 5, .one_time_burst = 7, .refill_time_ms = 100}}};
  EXPECT_THROW(throttle_options(limiter, 0), Error);
  limiter.ops->one_time_burst = 0;
  EXPECT_NO_THROW(throttle_options(limiter, 0));
}

TEST(Throttle, StaysWithinQemusLimits) {
  firecracker::RateLimiter limiter{.bandwidth = {{.size = UINT64_MAX, .refill_time_ms = 1}}};
  EXPECT_EQ(throttle_options(limiter, 0)["bps"], 1'000'000'000'000'000);
}

}  // namespace
}  // namespace knaller::qemu
