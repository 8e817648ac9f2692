#include "base/kernel_calls.h"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/error.h"

namespace knaller {
namespace {

// With arguments that the kernel refuses, whoever asks: a descriptor of -1, no pointer, no size, unknown
// flags.
struct Probe {
  KernelCall call;
  long number;
  std::array<unsigned long, 6> arguments = {};
};

constexpr unsigned long kNone = ~0UL;
constexpr unsigned long kUnknownFlags = 0x80000000UL;

const uint32_t kNotifications = SECCOMP_RET_USER_NOTIF;

const auto& probes() {
  static const std::array all{
      Probe{{"clone3", "5.3"}, SYS_clone3},
      Probe{{"pidfd_open", "5.3"}, SYS_pidfd_open, {kNone}},
      Probe{{"pidfd_send_signal", "5.1"}, SYS_pidfd_send_signal, {kNone}},
      Probe{{"openat2", "5.6"}, SYS_openat2, {kNone}},
      Probe{{"close_range", "5.9"}, SYS_close_range, {kNone, 0}},
      Probe{{"fsopen", "5.2"}, SYS_fsopen, {0, kUnknownFlags}},
      Probe{{"fsconfig", "5.2"}, SYS_fsconfig, {kNone}},
      Probe{{"fsmount", "5.2"}, SYS_fsmount, {kNone, kUnknownFlags}},
      Probe{{"open_tree", "5.2"}, SYS_open_tree, {kNone, 0, kUnknownFlags}},
      Probe{{"move_mount", "5.2"}, SYS_move_mount, {kNone, 0, kNone, 0, kUnknownFlags}},
      Probe{{"mount_setattr", "5.12"}, SYS_mount_setattr, {kNone, 0, kUnknownFlags}},
      // Reads one number, and does nothing.
      Probe{{"seccomp's user notification", "5.0"},
            SYS_seccomp,
            {SECCOMP_GET_ACTION_AVAIL, 0, reinterpret_cast<unsigned long>(&kNotifications)}},
  };
  return all;
}

const Probe kMemfds{{"memfd_create", "3.17"}, SYS_memfd_create, {0, kUnknownFlags}};

// A seccomp(2) without the action says EOPNOTSUPP.
bool is_missing(const Probe& probe) {
  const auto& a = probe.arguments;
  return ::syscall(probe.number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 &&
         (errno == ENOSYS || (probe.number == SYS_seccomp && errno == EOPNOTSUPP));
}

void require_none(const std::vector<KernelCall>& missing) {
  if (missing.empty()) return;
  throw Error(Code::kUnsupported, fmt::format("this kernel does not have {}", describe(missing)),
              "boot Linux 5.12 or later; in a container, allow these calls in its seccomp profile");
}

}  // namespace

std::vector<KernelCall> missing_kernel_calls() {
  std::vector<KernelCall> missing;
  for (const Probe& probe : probes())
    if (is_missing(probe)) missing.push_back(probe.call);
  return missing;
}

std::string describe(const std::vector<KernelCall>& calls) {
  std::string text;
  for (const KernelCall& call : calls)
    text += fmt::format("{}{} (Linux {})", text.empty() ? "" : ", ", call.name, call.since);
  return text;
}

std::vector<KernelCall> kernel_calls_missing_for_qemu() {
  if (is_missing(kMemfds)) return {kMemfds.call};
  return {};
}

void require_kernel_calls() {
  require_none(missing_kernel_calls());
}

void require_kernel_calls_of_qemu() {
  require_none(kernel_calls_missing_for_qemu());
}

}  // namespace knaller
