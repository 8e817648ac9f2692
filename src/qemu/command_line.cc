#include "qemu/command_line.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "qemu/network_relay.h"

namespace knaller::qemu {

using firecracker::DriveSetup;
using firecracker::VmSetup;

namespace {

// What Firecracker (1.16) boots with when no boot_args are given.
constexpr std::string_view kDefaultBootArguments =
    "reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd swiotlb=noforce";

void add_machine(std::vector<std::string>& arguments, const MachinePlan& plan) {
  const bool kvm = plan.accelerator == Accelerator::kKvm;
  const uint64_t bytes = plan.setup.memory_mib << 20;
  const Json memory = {{"qom-type", "memory-backend-file"},
                       {"id", "memory"},
                       {"size", bytes},
                       {"mem-path", fmt::format("/proc/self/fd/{}", plan.memory_fd)},
                       {"share", !plan.incoming}};
  for (const std::string& argument :
       // acpi=on: Debian's cloud kernel finds virtio-mmio devices only in ACPI's tables.
       {std::string("-machine"), std::string("microvm,acpi=on,memory-backend=memory"), std::string("-accel"),
        std::string(kvm ? "kvm" : "tcg,thread=multi"), std::string("-cpu"), std::string(kvm ? "host" : "max"),
        std::string("-smp"), std::to_string(plan.setup.vcpus), std::string("-m"),
        fmt::format("{}M", plan.setup.memory_mib), std::string("-object"), dump_json(memory),
        // For SendCtrlAltDel, and because guests reset through it (reboot=k).
        std::string("-device"), std::string("i8042")}) {
    arguments.push_back(argument);
  }
}

void add_drives(std::vector<std::string>& arguments, const MachinePlan& plan) {
  for (size_t i = 0; i < plan.setup.drives.size(); ++i) {
    const DriveSetup& drive = plan.setup.drives[i];
    const Json device = {{"driver", "virtio-blk-device"},
                         {"id", drive_id(i)},
                         {"drive", drive_id(i)},
                         // As on Firecracker the guest is told. QEMU's default would stop it for ever when
                         // the host's disk is full.
                         {"werror", "report"},
                         {"rerror", "report"}};
    for (const Json& node :
         {file_node_options(drive, file_node(i, 0)), format_node_options(drive, i, file_node(i, 0))}) {
      arguments.insert(arguments.end(), {"-blockdev", dump_json(node)});
    }
    arguments.insert(arguments.end(), {"-device", dump_json(device)});
  }
}

void add_network(std::vector<std::string>& arguments, const MachinePlan& plan) {
  for (size_t i = 0; i < plan.setup.network.size(); ++i) {
    const Json device = {{"driver", "virtio-net-device"},
                         {"id", fmt::format("net{}", i)},
                         {"netdev", fmt::format("tap{}", i)},
                         {"mac", plan.macs.at(i)}};
    const int fd = plan.network_fds.at(i);
    const std::string netdev = is_relayed(plan.setup.network[i])
                                   ? fmt::format("dgram,id=tap{},local.type=fd,local.str={}", i, fd)
                                   : fmt::format("tap,id=tap{},fd={},vhost=off", i, fd);
    arguments.insert(arguments.end(), {"-netdev", netdev, "-device", dump_json(device)});
  }
}

void add_boot(std::vector<std::string>& arguments, const MachinePlan& plan) {
  const auto& source = plan.setup.boot_source.value();
  arguments.insert(arguments.end(), {"-kernel", source.kernel_image_path});
  if (source.initrd_path) arguments.insert(arguments.end(), {"-initrd", *source.initrd_path});
  arguments.insert(arguments.end(),
                   {"-append", kernel_arguments(plan.setup, plan.accelerator, plan.tsc_khz)});
}

bool limits(const std::optional<firecracker::TokenBucket>& bucket) {
  return bucket && bucket->size > 0 && bucket->refill_time_ms > 0;
}

uint64_t per_second(const firecracker::TokenBucket& bucket) {
  const auto rate = static_cast<unsigned __int128>(bucket.size) * 1000 / bucket.refill_time_ms;
  // QEMU's own limit (THROTTLE_VALUE_MAX).
  constexpr uint64_t kMost = 1'000'000'000'000'000;
  return static_cast<uint64_t>(std::clamp<unsigned __int128>(rate, 1, kMost));
}

}  // namespace

std::string_view to_string(Accelerator accelerator) {
  return accelerator == Accelerator::kKvm ? "kvm" : "tcg";
}

std::vector<std::string> qemu_arguments(const MachinePlan& plan) {
  std::vector<std::string> arguments = {
      plan.binary, "-nodefaults", "-no-user-config", "-display", "none",
      // Names its threads: who watches from outside knows the processors'.
      "-name", "guest,debug-threads=on",
      // A guest that resets ends, as on Firecracker.
      "-no-reboot",
      // Nothing runs before it is told to: limits are set first, a loaded state would start.
      "-S", "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny", "-chardev",
      fmt::format("socket,id=control,fd={}", plan.control_fd), "-mon", "chardev=control,mode=control",
      "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"};
  add_machine(arguments, plan);
  add_drives(arguments, plan);
  add_network(arguments, plan);
  if (plan.setup.entropy) {
    arguments.insert(arguments.end(), {"-object", "rng-random,id=rng,filename=/dev/urandom", "-device",
                                       "virtio-rng-device,id=entropy,rng=rng"});
  }
  if (plan.incoming) {
    arguments.insert(arguments.end(), {"-incoming", "defer"});
  } else {
    add_boot(arguments, plan);
  }
  return arguments;
}

std::string kernel_arguments(const VmSetup& setup, Accelerator accelerator, uint64_t tsc_khz) {
  const std::string& asked = setup.boot_source.value().boot_args;
  std::string arguments(asked.empty() ? kDefaultBootArguments : std::string_view(asked));
  // They cost an emulated guest a fifth of its speed and guard nothing there. Before what was asked for,
  // which has the last word. Never with KVM: that guest runs on the bare processor.
  if (accelerator == Accelerator::kTcg) arguments.insert(0, "mitigations=off ");
  // Reliable: an emulated TSC is the host's clock. Else the guest's watchdog compares it with ticks that come
  // late on a busy host, takes the ticks, and loses half of its time (tried with Linux 6.1).
  if (accelerator == Accelerator::kTcg) arguments += fmt::format(" tsc_early_khz={} tsc=reliable", tsc_khz);
  if (!setup.drives.empty() && setup.drives.front().root) {
    const DriveSetup& root = setup.drives.front();
    arguments +=
        root.partuuid ? fmt::format(" root=PARTUUID={}", *root.partuuid) : std::string(" root=/dev/vda");
    arguments += root.read_only ? " ro" : " rw";
  }
  return arguments;
}

std::string drive_id(size_t index) {
  return fmt::format("drive{}", index);
}

std::string file_node(size_t index, unsigned generation) {
  return fmt::format("file{}-{}", index, generation);
}

Json file_node_options(const DriveSetup& drive, const std::string& node) {
  return {
      {"driver", "file"},
      {"node-name", node},
      {"filename", drive.path.value_or("")},
      {"read-only", drive.read_only},
      // A VM's own lock keeps others from its disk; this one would be taken through a descriptor that a
      // filter can't tell from the lock's.
      {"locking", "off"},
      // What the guest gives back is a hole in the file. Firecracker's guests are not offered to.
      {"discard", "unmap"},
      // As Firecracker's "Unsafe": the guest's flushes stay in the page cache, and a pause costs no flush.
      {"cache", {{"no-flush", drive.cache_type != "Writeback"}}}};
}

Json format_node_options(const DriveSetup& drive, size_t index, const std::string& file_node) {
  return {{"driver", "raw"},    {"node-name", drive_id(index)},
          {"file", file_node},  {"read-only", drive.read_only},
          {"discard", "unmap"}, {"cache", {{"no-flush", drive.cache_type != "Writeback"}}}};
}

Json throttle_options(const std::optional<firecracker::RateLimiter>& limiter, size_t index) {
  Json options = {{"id", drive_id(index)}, {"bps", 0},    {"bps_rd", 0}, {"bps_wr", 0}, {"iops", 0},
                  {"iops_rd", 0},          {"iops_wr", 0}};
  if (!limiter) return options;
  const auto set = [&](const auto& bucket, const char* rate, const char* burst) {
    if (!limits(bucket)) return;
    if (bucket->one_time_burst.value_or(0) > 0) {
      fail(Code::kUnsupported, "a rate limiter's one_time_burst is not supported on QEMU");
    }
    options[rate] = per_second(*bucket);
    // A bucket may be emptied at once: as much as it holds may pass within a second.
    if (bucket->size > per_second(*bucket)) options[burst] = bucket->size;
  };
  set(limiter->bandwidth, "bps", "bps_max");
  set(limiter->ops, "iops", "iops_max");
  return options;
}

}  // namespace knaller::qemu
