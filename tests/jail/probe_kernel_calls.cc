// Calls that change the host, or have been ways into its kernel.
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <sys/fanotify.h>
#include <sys/ipc.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "probe.h"

namespace probe {
namespace {

constexpr char kName[] = "knaller-probe";
constexpr long kReadAll = 3, kClear = 5, kSilence = 6;  // syslog(2)'s

Outcome make_ring(const Attempt&) {
  io_uring_params parameters = {};
  return judge_open(syscall(SYS_io_uring_setup, 4, &parameters));
}

Outcome make_map(const Attempt&) {
  bpf_attr attributes = {};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return judge_open(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

Outcome load_program(const Attempt&) {
  static const bpf_insn steps[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
                                   {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  bpf_attr attributes = {};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insn_cnt = 2;
  attributes.insns = reinterpret_cast<unsigned long long>(steps);
  attributes.license = reinterpret_cast<unsigned long long>("GPL");
  return judge_open(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes));
}

Outcome count_events(const Attempt& attempt) {
  perf_event_attr attributes = {};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_SW_CPU_CLOCK;
  attributes.exclude_kernel = 1;
  return judge_open(syscall(SYS_perf_event_open, &attributes, attempt.number, -1, -1, 0));
}

Outcome set_time(const Attempt&) {
  timeval now = {};
  gettimeofday(&now, nullptr);
  return judge(syscall(SYS_settimeofday, &now, nullptr));
}

Outcome set_clock(const Attempt&) {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return judge(syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
}

Outcome adjust_clock(const Attempt& attempt) {
  timex change = {};
  change.modes = ADJ_TICK;
  change.tick = 10'000;
  if (attempt.number == SYS_adjtimex) return judge(syscall(attempt.number, &change));
  return judge(syscall(attempt.number, CLOCK_REALTIME, &change));
}

Outcome change_descriptor_table(const Attempt& attempt) {
  unsigned long long entry[2] = {0, 0x51};
  return judge(syscall(SYS_modify_ldt, attempt.number, entry, sizeof entry));
}

struct Handle {
  unsigned size = 128;
  int type = 0;
  unsigned char bytes[128] = {};
};

Outcome name_handle(const Attempt&) {
  Handle handle;
  int mount = 0;
  return judge(syscall(SYS_name_to_handle_at, AT_FDCWD, "/vm", &handle, &mount, 0));
}

// The root folder of an ext4 file system has inode 2: how a container was left once.
Outcome open_handle(const Attempt&) {
  Handle handle;
  handle.size = 8;
  handle.type = 1;
  handle.bytes[0] = 2;
  const int vm = static_cast<int>(open_path("/vm", O_RDONLY | O_DIRECTORY));
  const Outcome outcome = judge_open(syscall(SYS_open_by_handle_at, vm, &handle, O_RDONLY));
  close(vm);
  return outcome;
}

Outcome log(const Attempt& attempt) {
  char text[64];
  return judge(syscall(SYS_syslog, attempt.number, text, sizeof text));
}

Outcome start_io(const Attempt&) {
  aio_context_t context = 0;
  return judge(syscall(SYS_io_setup, 1, &context));
}

Outcome move_pages_to_pipe(const Attempt& attempt) {
  return judge(syscall(attempt.number, 0, nullptr, 1, nullptr, 0, 0));
}

constexpr Attempt kAttempts[] = {
    {"io-uring", make_ring},
    {"io-uring-register", [](auto&) { return judge(syscall(SYS_io_uring_register, -1, 0, nullptr, 0)); }},
    {"io-uring-enter", [](auto&) { return judge(syscall(SYS_io_uring_enter, -1, 0, 0, 0, nullptr, 0)); }},
    {"bpf-map", make_map},
    {"bpf-program", load_program},
    {"perf-event", count_events, 0},
    {"perf-event-of-all", count_events, -1},
    {"userfaultfd", [](auto&) { return judge_open(syscall(SYS_userfaultfd, O_CLOEXEC)); }},
    {"userfaultfd-user", [](auto&) { return judge_open(syscall(SYS_userfaultfd, O_CLOEXEC | 1)); }},
    {"keyctl-join", [](auto&) { return judge(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, kName)); }},
    {"keyctl-session", [](auto&) { return judge(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 0)); }},
    {"keyctl-of-user", [](auto&) { return judge(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -4, 0)); }},
    {"add-key", [](auto&) { return judge(syscall(SYS_add_key, "user", kName, "x", 1, -2)); }},
    {"request-key", [](auto&) { return judge(syscall(SYS_request_key, "user", kName, nullptr, 0)); }},
    {"module-load", [](auto&) { return judge(syscall(SYS_init_module, "", 0, "")); }},
    {"module-load-file", [](auto&) { return judge(syscall(SYS_finit_module, 0, "", 0)); }},
    {"module-unload", [](auto&) { return judge(syscall(SYS_delete_module, kName, O_NONBLOCK)); }},
    {"kexec", [](auto&) { return judge(syscall(SYS_kexec_load, 0, 0, nullptr, 0)); }},
    {"kexec-file", [](auto&) { return judge(syscall(SYS_kexec_file_load, 0, 0, 0, nullptr, 0)); }},
    {"reboot",
     [](auto&) {
       return judge(
           syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, nullptr));
     }},
    {"swap-on", [](auto&) { return judge(syscall(SYS_swapon, "/vm/rootfs.ext4", 0)); }},
    {"swap-off", [](auto&) { return judge(syscall(SYS_swapoff, "/vm/rootfs.ext4")); }},
    {"accounting", [](auto&) { return judge(syscall(SYS_acct, "/vm/rootfs.ext4")); }},
    {"kernel-log", log, kReadAll},
    {"kernel-log-clear", log, kClear},
    {"kernel-log-silence", log, kSilence},
    {"quota",
     [](auto&) { return judge(syscall(SYS_quotactl, QCMD(Q_SYNC, USRQUOTA), nullptr, 0, nullptr)); }},
    {"quota-of-descriptor", [](auto&) { return judge(syscall(SYS_quotactl_fd, 3, 0, 0, nullptr)); }},
    {"time", set_time},
    {"clock", set_clock},
    {"clock-adjust", adjust_clock, SYS_adjtimex},
    {"clock-adjust-by-name", adjust_clock, SYS_clock_adjtime},
    {"host-name", [](auto&) { return judge(syscall(SYS_sethostname, kName, sizeof kName - 1)); }},
    {"domain-name", [](auto&) { return judge(syscall(SYS_setdomainname, kName, sizeof kName - 1)); }},
    {"io-port", [](auto&) { return judge(syscall(SYS_ioperm, 0x80, 1, 1)); }},
    {"io-ports", [](auto&) { return judge(syscall(SYS_iopl, 3)); }},
    {"descriptor-table", change_descriptor_table, 1},
    {"descriptor-table-new", change_descriptor_table, 0x11},
    {"handle-name", name_handle},
    {"handle-open", open_handle},
    {"fanotify", [](auto&) { return judge_open(syscall(SYS_fanotify_init, FAN_CLASS_NOTIF, O_RDONLY)); }},
    {"inotify", [](auto&) { return judge_open(syscall(SYS_inotify_init1, 0)); }},
    {"hang-up", [](auto&) { return judge(syscall(SYS_vhangup)); }},
    {"library-by-call", [](auto&) { return judge(syscall(SYS_uselib, "/vm/rootfs.ext4")); }},
    {"file-system-types", [](auto&) { return judge(syscall(SYS_sysfs, 3)); }},
    {"sync-the-host", [](auto&) { return judge(syscall(SYS_sync)); }},
    {"sync-file-system", [](auto&) { return judge(syscall(SYS_syncfs, 3)); }},
    {"aio", start_io},
    {"splice", move_pages_to_pipe, SYS_splice},
    {"vmsplice", move_pages_to_pipe, SYS_vmsplice},
    {"tee", move_pages_to_pipe, SYS_tee},
    {"sendfile", [](auto&) { return judge(syscall(SYS_sendfile, 1, 0, nullptr, 0)); }},
    {"remap-file-pages", [](auto&) { return judge(syscall(SYS_remap_file_pages, 0, 0, 0, 0, 0)); }},
    {"memory-policy", [](auto&) { return judge(syscall(SYS_set_mempolicy, 0, nullptr, 0)); }},
    {"memory-secret", [](auto&) { return judge_open(syscall(SYS_memfd_secret, 0)); }},
    {"shared-memory", [](auto&) { return judge(syscall(SYS_shmget, IPC_PRIVATE, 4096, 0600)); }},
    {"semaphores", [](auto&) { return judge(syscall(SYS_semget, IPC_PRIVATE, 1, 0600)); }},
    {"messages", [](auto&) { return judge(syscall(SYS_msgget, IPC_PRIVATE, 0600)); }},
    {"message-queue",
     [](auto&) { return judge_open(syscall(SYS_mq_open, kName, O_CREAT | O_RDWR, 0600, nullptr)); }},
    {"unknown-call", [](auto&) { return judge(syscall(999)); }},
};

}  // namespace

Attempts kernel_calls() {
  return kAttempts;
}

}  // namespace probe
