#include "net/vm_namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "base/error.h"
#include "base/fd_passing.h"
#include "base/file.h"
#include "base/json.h"
#include "base/signals.h"

namespace knaller::net {
namespace {

constexpr size_t kReportLimit = 64 << 10;
constexpr char kDone = 'd';
constexpr std::chrono::seconds kEndTime{1};

using Work = std::function<std::vector<UniqueFd>()>;

// The user namespace first: it gives the right to join the other one.
void enter(int user, int net) {
  if (::setns(user, CLONE_NEWUSER) != 0) fail_errno("enter the VM's user namespace");
  if (::setns(net, CLONE_NEWNET) != 0) fail_errno("enter the VM's network namespace");
}

void tie_to_parent(pid_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail_errno("tie a process to its parent");
  if (::getppid() != parent) ::_exit(127);
}

// Of what the parent has open, the child keeps the standard descriptors and its report: it must hold no
// connection and no lock of the parent's.
int keep_only(int report) {
  constexpr int kReport = 3;
  if (report != kReport && ::dup3(report, kReport, O_CLOEXEC) < 0) fail_errno("keep a process's report");
  if (::close_range(kReport + 1, ~0u, 0) != 0) fail_errno("close the parent's descriptors");
  return kReport;
}

struct InNamespaces {
  int user;
  int net;
  pid_t parent;
};

// What begins with kDone says that all went well; an error's JSON begins otherwise.
[[noreturn]] void run_child(const InNamespaces& where, int report, const Work& work, bool stay) {
  try {
    reset_signals();
    tie_to_parent(where.parent);
    enter(where.user, where.net);
    report = keep_only(report);
    const std::vector<UniqueFd> opened = work();
    std::vector<int> numbers;
    for (const UniqueFd& fd : opened) numbers.push_back(fd.get());
    send_with_fds(report, kDone, numbers, "the process that asked for it");
  } catch (const std::exception& exception) {
    try {
      write_all(report, dump_json(error_to_json(error_from(exception))), "a process's report");
    } catch (const std::exception&) {
      ::_exit(126);  // the exit code is all that is left
    }
    ::_exit(127);
  }
  ::close(report);
  while (stay) ::pause();
  ::_exit(0);
}

// Not of our own making: libnftables ends its process where it gets no netlink socket.
[[noreturn]] void fail_without_report(Child& child) {
  static constexpr char kWho[] = "a process in the VM's namespaces";
  const auto status = child.wait(Deadline::after(kEndTime));
  fail(Code::kIo, "{} without a report", status ? status->sentence(kWho) : fmt::format("{} goes on", kWho));
}

// fork(2) and not clone(2): glibc then makes its allocator usable, whatever another thread was doing.
Child start_inside(int user, int net, const Work& work, bool stay, std::vector<UniqueFd>& descriptors) {
  const InNamespaces where{user, net, ::getpid()};
  auto [ours, theirs] = make_socket_pair();
  const pid_t pid = ::fork();
  if (pid < 0) fail_errno("start a process in the VM's namespaces");
  if (pid == 0) run_child(where, theirs.get(), work, stay);
  Child child(pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))));
  if (!child) fail_errno("hold a process in the VM's namespaces");
  theirs.reset();
  ByteWithFds report = receive_with_fds(ours.get(), "a process's report");
  if (report.end) fail_without_report(child);
  if (report.byte == kDone) {
    descriptors = std::move(report.fds);
    read_to_end(ours.get(), kReportLimit, "a process's report");  // it has closed what it had open
    return child;
  }
  const std::string text = report.byte + read_to_end(ours.get(), kReportLimit, "a process's report");
  if (!text.ends_with('}')) fail_without_report(child);  // it broke off
  throw error_from_json(parse_json(text, "a process's report", Code::kInternal));
}

}  // namespace

VmNamespaces VmNamespaces::of(pid_t pid) {
  VmNamespaces namespaces;
  namespaces.user_ = open_at(AT_FDCWD, fmt::format("/proc/{}/ns/user", pid), O_RDONLY);
  namespaces.net_ = open_at(AT_FDCWD, fmt::format("/proc/{}/ns/net", pid), O_RDONLY);
  return namespaces;
}

void VmNamespaces::run_inside(const std::function<void()>& work) const {
  open_inside([&work] {
    work();
    return std::vector<UniqueFd>();
  });
}

std::vector<UniqueFd> VmNamespaces::open_inside(const std::function<std::vector<UniqueFd>()>& open) const {
  std::vector<UniqueFd> descriptors;
  const auto status = start_inside(user_.get(), net_.get(), open, false, descriptors).wait(Deadline::never());
  if (!status || !status->success())
    throw Error(Code::kInternal, status->sentence("the process in the VM's namespaces"));
  return descriptors;
}

Child VmNamespaces::hold_open() const {
  std::vector<UniqueFd> none;
  return start_inside(
      user_.get(), net_.get(), [] { return std::vector<UniqueFd>(); }, true, none);
}

}  // namespace knaller::net
