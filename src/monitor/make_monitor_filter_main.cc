// Run by the build: writes the system call filter of the monitor, and of all that it starts, as an array of
// BPF instructions. What is on the list and why it is a deny-list: docs/decisions/0093-monitors-filter.md.
//
// The answer is SECCOMP_RET_TRACE, which is ENOSYS where nobody traces, and not an error number: of several
// filters the kernel takes the strictest answer, and an error is stricter than the question to the monitor
// by which the engine's filter has refused calls named (call_filter.h).
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "base/make_filter.h"

namespace {

using namespace knaller::make_filter;

constexpr uint32_t kRefuse = SECCOMP_RET_TRACE;

// None of these is made by the monitor, pasta, or an engine; most of them have been ways into the kernel, the
// rest change the host as a whole.
constexpr std::string_view kRefused[] = {
    // Other processes, and programs for the kernel.
    "bpf", "kcmp", "perf_event_open", "pidfd_getfd", "process_madvise", "process_vm_writev", "ptrace",
    "userfaultfd", "io_uring_enter", "io_uring_register", "io_uring_setup", "lookup_dcookie",
    // Keys; keyctl(2) is below.
    "add_key", "request_key",
    // Files that no path of this process leads to, quotas, and watches over whole file systems.
    "fanotify_init", "fanotify_mark", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "quotactl",
    "quotactl_fd", "sysfs", "uselib", "ustat",
    // The host: its modules, kernel, memory, log, terminals, clocks and name.
    "acct", "create_module", "delete_module", "finit_module", "get_kernel_syms", "init_module",
    "kexec_file_load", "kexec_load", "query_module", "reboot", "swapoff", "swapon", "syslog", "vhangup",
    "adjtimex", "clock_adjtime", "clock_settime", "settimeofday", "setdomainname", "sethostname",
    // Descriptor tables and ports of the processor, and where memory lies.
    "ioperm", "iopl", "migrate_pages", "modify_ldt", "move_pages", "personality", "remap_file_pages",
    "set_mempolicy_home_node", "vmsplice",
    // Queues and memory of System V and of POSIX.
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl",
    "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt",
    "shmget"};

std::vector<sock_filter> refuse_calls(bool sanitized) {
  const scmp_filter_ctx context = new_context(SCMP_ACT_ALLOW);
  for (const std::string_view name : kRefused) {
    if (sanitized && name == "ptrace") continue;  // LeakSanitizer looks at threads that it has stopped
    add_rule(context, SCMP_ACT_TRACE(0), name.data());
  }
  const std::vector<sock_filter> steps = steps_of(context);
  seccomp_release(context);
  return steps;
}

// --- By hand: what depends on arguments. These are ints, of which the kernel takes a register's lower half;
// libseccomp would compare all of it, and refuses only what is named.

sock_filter load(size_t offset) {
  return {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(offset)};
}
sock_filter load_argument(size_t index) {
  return load(offsetof(seccomp_data, args) + index * sizeof(uint64_t));
}
sock_filter jump(uint16_t how, uint32_t value, size_t yes, size_t no) {
  return {static_cast<uint16_t>(BPF_JMP | how | BPF_K), static_cast<uint8_t>(yes), static_cast<uint8_t>(no),
          value};
}
constexpr sock_filter kRefuseStep{BPF_RET | BPF_K, 0, 0, kRefuse};

using Steps = std::vector<sock_filter>;

void append(Steps& steps, std::span<const sock_filter> more) {
  steps.insert(steps.end(), more.begin(), more.end());
}

// Refuses unless what was loaded is one of `values`; goes on after itself.
Steps require_one_of(std::span<const uint32_t> values) {
  Steps steps;
  for (size_t i = 0; i < values.size(); ++i) steps.push_back(jump(BPF_JEQ, values[i], values.size() - i, 0));
  steps.push_back(kRefuseStep);
  return steps;
}

// `body`, if what was loaded is `value`.
Steps if_equal(uint32_t value, const Steps& body) {
  Steps steps{jump(BPF_JEQ, value, 0, body.size())};
  append(steps, body);
  return steps;
}

Steps for_call(uint32_t call, const Steps& body) {
  Steps steps{load(offsetof(seccomp_data, nr))};
  append(steps, if_equal(call, body));
  return steps;
}

// Streams and datagrams of TCP, UDP and ICMP; netlink to routes and the packet filter; local sockets. Neither
// raw ones, nor packets, nor the many protocols that hardly anybody uses and that a kernel loads on demand.
Steps check_socket() {
  constexpr uint32_t kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
  constexpr uint32_t kTypes[] = {SOCK_STREAM, SOCK_DGRAM};
  constexpr uint32_t kProtocols[] = {0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6};
  constexpr uint32_t kNetlink[] = {NETLINK_ROUTE, NETLINK_NETFILTER};
  constexpr uint32_t kTypeBits = 0xf;
  Steps internet{load_argument(1), {BPF_ALU | BPF_AND | BPF_K, 0, 0, kTypeBits}};
  append(internet, require_one_of(kTypes));
  internet.push_back(load_argument(2));
  append(internet, require_one_of(kProtocols));
  Steps netlink{load_argument(2)};
  append(netlink, require_one_of(kNetlink));

  Steps steps{load_argument(0)};
  append(steps, require_one_of(kFamilies));
  for (const uint32_t family : {AF_INET, AF_INET6}) {
    steps.push_back(load_argument(0));
    append(steps, if_equal(family, internet));
  }
  steps.push_back(load_argument(0));
  append(steps, if_equal(AF_NETLINK, netlink));
  return steps;
}

Steps check_arguments() {
  Steps steps;
  append(steps, for_call(SYS_socket, check_socket()));
  constexpr uint32_t kPairs[] = {AF_UNIX};
  Steps pair{load_argument(0)};
  append(pair, require_one_of(kPairs));
  append(steps, for_call(SYS_socketpair, pair));
  // The engine gets a keyring of its own, and that is all.
  constexpr uint32_t kKeyrings[] = {KEYCTL_JOIN_SESSION_KEYRING};
  Steps keyring{load_argument(0)};
  append(keyring, require_one_of(kKeyrings));
  append(steps, for_call(SYS_keyctl, keyring));
  // What puts bytes into a terminal's input, as if they were typed.
  Steps control{load_argument(1)};
  for (const uint32_t request : {TIOCSTI, TIOCLINUX}) append(control, if_equal(request, {kRefuseStep}));
  append(steps, for_call(SYS_ioctl, control));
  return steps;
}

// Those that are newer than this build: nobody can have asked whether they should be allowed. -1 is a call
// that a tracer has taken away, and a number of x32's is for the list.
Steps refuse_unknown() {
  uint32_t last = 0;
  for (uint32_t number = 0; number < 1000; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, static_cast<int>(number));
    if (name != nullptr) last = number;
    std::free(name);
  }
  constexpr uint32_t kX32Bit = 0x40000000;
  return {load(offsetof(seccomp_data, nr)), jump(BPF_JGT, last, 0, 2), jump(BPF_JGE, kX32Bit, 1, 0),
          kRefuseStep};
}

void write_filter(const char* name, bool sanitized) {
  Steps steps = refuse_unknown();
  append(steps, check_arguments());
  append(steps, refuse_calls(sanitized));
  write_steps(name, steps);
}

}  // namespace

int main() {
  std::printf("// Made by make_monitor_filter.\n#ifdef KNALLER_ASAN\n");
  write_filter("kMonitorFilter", true);
  std::printf("#else\n");
  write_filter("kMonitorFilter", false);
  std::printf("#endif\n");
  return 0;
}
