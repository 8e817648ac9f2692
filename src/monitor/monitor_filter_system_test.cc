// What a monitor is refused, tried by a process that has its filter; and that real monitors have it.
#include "monitor/monitor_filter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/process.h"
#include "monitor/test_vm.h"

namespace knaller::monitor {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

struct Call {
  const char* name;
  long number;
  long arguments[4] = {};
};

void PrintTo(const Call& call, std::ostream* out) {
  *out << call.name;
}

// Its error number, in a process under the filter: minus a signal's that ended it, 0 when it worked.
int error_under_filter(const Call& call) {
  const pid_t child = ::fork();
  if (child == 0) {
    filter_monitor_calls();
    const long* of = call.arguments;
    ::_exit(::syscall(call.number, of[0], of[1], of[2], of[3]) < 0 ? errno : 0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class Refused : public testing::TestWithParam<Call> {};

// Without the filter each of these has another result, as root or as anybody.
TEST_P(Refused, AsIfTheKernelDidNotHaveIt) {
  EXPECT_EQ(error_under_filter(GetParam()), ENOSYS);
}

constexpr long kUpperHalf = 0x1'0000'0000;

#ifndef KNALLER_ASAN  // where LeakSanitizer needs it
INSTANTIATE_TEST_SUITE_P(WithoutLeakSanitizer, Refused,
                         testing::Values(Call{"Ptrace", SYS_ptrace, {PTRACE_TRACEME}}),
                         [](const auto& tested) { return std::string(tested.param.name); });
#endif

INSTANTIATE_TEST_SUITE_P(
    , Refused,
    testing::Values(
        Call{"Bpf", SYS_bpf}, Call{"Ring", SYS_io_uring_setup}, Call{"Memory", SYS_process_vm_writev, {1}},
        Call{"Events", SYS_perf_event_open, {0, 0, -1, -1}}, Call{"Faults", SYS_userfaultfd},
        Call{"Descriptor", SYS_pidfd_getfd, {-1}}, Call{"Key", SYS_add_key},
        Call{"Keys", SYS_keyctl, {KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING}},
        Call{"KeysWithAnUpperHalf", SYS_keyctl, {kUpperHalf | KEYCTL_CLEAR, KEY_SPEC_SESSION_KEYRING}},
        Call{"Handle", SYS_open_by_handle_at, {-1}}, Call{"Module", SYS_init_module},
        Call{"Reboot", SYS_reboot}, Call{"Swap", SYS_swapon}, Call{"Clock", SYS_clock_settime, {-1}},
        Call{"Queue", SYS_msgget, {0, IPC_CREAT | 0600}}, Call{"Quota", SYS_quotactl},
        Call{"Packets", SYS_socket, {AF_PACKET, SOCK_DGRAM}},
        Call{"Vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM}},
        Call{"Crypto", SYS_socket, {AF_ALG, SOCK_SEQPACKET}},
        Call{"Raw", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
        Call{"RawWithFlags", SYS_socket, {AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP}},
        Call{"Multipath", SYS_socket, {AF_INET, SOCK_STREAM, 262}},
        Call{"FamilyWithAnUpperHalf", SYS_socket, {kUpperHalf | AF_PACKET, SOCK_DGRAM}},
        Call{"Audit", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT}},
        Call{"Transform", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_XFRM}},
        Call{"Pair", SYS_socketpair, {AF_TIPC, SOCK_STREAM}}, Call{"TypedText", SYS_ioctl, {0, TIOCSTI}},
        Call{"NewerThanThisBuild", 999}),
    [](const auto& instance) { return std::string(instance.param.name); });

class Allowed : public testing::TestWithParam<Call> {};

TEST_P(Allowed, AsBefore) {
  EXPECT_NE(error_under_filter(GetParam()), ENOSYS);
}

INSTANTIATE_TEST_SUITE_P(
    , Allowed,
    testing::Values(Call{"Tcp", SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC}},
                    Call{"Udp6", SYS_socket, {AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDP}},
                    Call{"Ping", SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}},
                    Call{"Routes", SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE}},
                    Call{"Rules", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}},
                    Call{"Local", SYS_socket, {AF_UNIX, SOCK_SEQPACKET}},
                    Call{"Namespaces", SYS_unshare, {CLONE_NEWUSER | CLONE_NEWNET}},
                    Call{"Keyring", SYS_keyctl, {KEYCTL_JOIN_SESSION_KEYRING}}, Call{"Fork", SYS_clone3},
                    Call{"Mount", SYS_open_tree, {-1, 0, 0xffff}}, Call{"Filter", SYS_seccomp, {999}},
                    Call{"ReadMemory", SYS_process_vm_readv, {1}}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(MonitorFilter, AnotherArchitecturesCallEndsTheProcess) {
  EXPECT_EQ(error_under_filter({"x32", 0x40000000 | SYS_getpid}), -SIGSYS);
}

std::string field(pid_t pid, const std::string& name) {
  const std::string status = read_file(fmt::format("/proc/{}/status", pid));
  for (const auto line : split(status, '\n'))
    if (line.starts_with(name + ":")) return std::string(trim(line.substr(name.size() + 1)));
  return "there is no such field";
}

TEST(MonitorFilter, IsInForceInAMonitorThatRuns) {
  TestVm vm;
  const Launch launch = vm.start();
  EXPECT_EQ(field(launch.monitor_pid(), "NoNewPrivs"), "1");
  EXPECT_EQ(field(launch.monitor_pid(), "Seccomp"), "2");
  vm.stop(seconds(1), true);
}

// An engine's first filter comes on top of the monitor's.
TEST(MonitorFilter, IsInheritedByTheEngine) {
  TestVm vm;
  const Launch launch = vm.start();
  EXPECT_EQ(field(launch.monitor_pid(), "Seccomp_filters"), "1");
  EXPECT_GE(std::stoi(field(launch.engine_pid(), "Seccomp_filters")), 2);
  vm.stop(seconds(1), true);
}

}  // namespace
}  // namespace knaller::monitor
