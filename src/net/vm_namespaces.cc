#include "net/vm_namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/signals.h"

namespace knaller::net {
namespace {

constexpr size_t kReportLimit = 64 << 10;
constexpr size_t kMostDescriptors = 8;

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

// A message of one byte, for descriptors need company.
void send_descriptors(int socket, const std::vector<UniqueFd>& descriptors) {
  if (descriptors.empty()) return;
  if (descriptors.size() > kMostDescriptors) fail(Code::kInternal, "too many descriptors for one message");
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  for (size_t i = 0; i < descriptors.size(); ++i) {
    const int number = descriptors[i].get();
    std::memcpy(CMSG_DATA(header) + i * sizeof number, &number, sizeof number);
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) != 1)
    if (errno != EINTR) fail_errno("hand descriptors over");
}

// What comes first on a report: its first byte, if it is an error's, or 0 with the descriptors, or nothing.
std::string receive_descriptors(int socket, std::vector<UniqueFd>& descriptors) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t length;
  do {
    length = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  if (length < 0) fail_errno("receive a process's report");
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    for (size_t at = 0; header->cmsg_len >= CMSG_LEN(at + sizeof(int)); at += sizeof(int)) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + at, sizeof number);
      descriptors.emplace_back(number);
    }
  }
  return byte == 0 ? std::string() : std::string(1, byte);
}

// An empty report says that all went well.
[[noreturn]] void run_child(const InNamespaces& where, int report, const Work& work, bool stay) {
  try {
    reset_signals();
    tie_to_parent(where.parent);
    enter(where.user, where.net);
    report = keep_only(report);
    send_descriptors(report, work());
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
  std::string text = receive_descriptors(ours.get(), descriptors);
  text += read_to_end(ours.get(), kReportLimit, "a process's report");
  if (!text.empty()) throw error_from_json(parse_json(text, "a process's report", Code::kInternal));
  return child;
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
