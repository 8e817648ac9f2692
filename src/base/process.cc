#include "base/process.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/signals.h"
#include "base/text.h"

namespace knaller {
namespace {

enum class Step : int { kDescriptors, kParentDeath, kConfinement, kDirectory, kCallFilter, kExecute };

struct Failure {
  Step step;
  int error;
};

// Everything that the child needs, made before the clone: the child must not allocate, since another thread
// of the parent may have held the allocator's lock at that moment.
struct ChildPlan {
  std::string path;
  std::vector<char*> argv;
  std::vector<char*> environment;
  const char* directory = nullptr;
  std::vector<std::pair<int, int>> descriptors;  // {ours, the child's}, sorted by the child's
  int report_fd = -1;
  pid_t parent = -1;
  bool outlive_parent = false;
  bool own_group = false;
  std::optional<PreparedConfinement> confinement;
  const sock_fprog* call_filter = nullptr;
};

// --- In the child: async-signal-safe calls only, and no return. ---

[[noreturn]] void report_and_exit(int report_fd, Step step) {
  const Failure failure{step, errno};
  // The parent tells a failure by a whole report; if it cannot be written, the exit code is all that is left.
  const ssize_t written = ::write(report_fd, &failure, sizeof failure);
  ::_exit(written == static_cast<ssize_t>(sizeof failure) ? 127 : 126);
}

// Gives the child exactly the planned descriptors. All sources first move above all targets, so that no
// dup2() overwrites a source that is still to come; one that keeps its number stays where it is (an engine's
// filter forbids moving its lock). Returns where the report pipe is now.
int arrange_descriptors(ChildPlan& plan) {
  const int above = plan.descriptors.back().second + 1;
  const int report_fd = ::fcntl(plan.report_fd, F_DUPFD_CLOEXEC, above);
  if (report_fd < 0) report_and_exit(plan.report_fd, Step::kDescriptors);
  for (auto& [ours, theirs] : plan.descriptors) {
    if (ours == theirs) continue;
    ours = ::fcntl(ours, F_DUPFD_CLOEXEC, above);
    if (ours < 0) report_and_exit(report_fd, Step::kDescriptors);
  }
  int next = 0;
  for (const auto& [ours, theirs] : plan.descriptors) {
    const bool given = ours == theirs ? ::fcntl(ours, F_SETFD, 0) == 0 : ::dup2(ours, theirs) >= 0;
    if (!given) report_and_exit(report_fd, Step::kDescriptors);
    if (theirs > next) ::close_range(static_cast<unsigned>(next), static_cast<unsigned>(theirs - 1), 0);
    next = theirs + 1;
  }
  if (report_fd > next) ::close_range(static_cast<unsigned>(next), static_cast<unsigned>(report_fd - 1), 0);
  if (::close_range(static_cast<unsigned>(report_fd + 1), ~0u, 0) != 0) {
    report_and_exit(report_fd, Step::kDescriptors);
  }
  return report_fd;
}

void tie_to_parent(const ChildPlan& plan, int report_fd) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) report_and_exit(report_fd, Step::kParentDeath);
  // A parent that died before the prctl() sends no signal any more. 0: the parent is outside of the child's
  // pid namespace.
  const pid_t parent = ::getppid();
  if (parent != plan.parent && parent != 0) ::_exit(127);
}

// What it refuses, the kernel's log tells (audit), where it is told at all.
bool filter_calls(const sock_fprog& filter) {
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &filter) == 0;
}

[[noreturn]] void run_child(ChildPlan& plan) {
  reset_signals();
  if (plan.outlive_parent) ::setsid();
  if (plan.own_group) ::setpgid(0, 0);
  if (plan.confinement && !plan.confinement->restrict_files())
    report_and_exit(plan.report_fd, Step::kConfinement);
  const int report_fd = arrange_descriptors(plan);
  if (!plan.outlive_parent) tie_to_parent(plan, report_fd);
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) report_and_exit(report_fd, Step::kDirectory);
  if (plan.confinement && !plan.confinement->set_limits()) report_and_exit(report_fd, Step::kConfinement);
  if (plan.call_filter != nullptr && !filter_calls(*plan.call_filter))
    report_and_exit(report_fd, Step::kCallFilter);
  ::execve(plan.path.c_str(), plan.argv.data(), plan.environment.data());
  report_and_exit(report_fd, Step::kExecute);
}

// --- In the parent. ---

// No handler of the parent's may run in the child between the clone and the reset of the dispositions.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));  // what execve(2) takes
  pointers.push_back(nullptr);
  return pointers;
}

std::string program_path(const SpawnOptions& options) {
  if (options.argv.empty() || options.argv[0].empty()) fail(Code::kInvalidArgument, "no program to run");
  if (!options.search_path) return options.argv[0];
  std::string path = find_program(options.argv[0]);
  if (path.empty()) {
    throw Error(Code::kNotFound, fmt::format("no program named '{}' on PATH", options.argv[0]),
                fmt::format("install '{}' or put it on PATH", options.argv[0]));
  }
  return path;
}

void plan_descriptors(const SpawnOptions& options, int null_fd, ChildPlan& plan) {
  const auto or_null = [null_fd](int fd) { return fd < 0 ? null_fd : fd; };
  plan.descriptors = {
      {or_null(options.stdin_fd), 0}, {or_null(options.stdout_fd), 1}, {or_null(options.stderr_fd), 2}};
  for (const auto& [ours, theirs] : options.descriptors) {
    if (theirs < 3) fail(Code::kInvalidArgument, "descriptor {} is the child's standard one", theirs);
    plan.descriptors.emplace_back(ours, theirs);
  }
  auto& all = plan.descriptors;
  const auto by_target = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto same_target = [](const auto& a, const auto& b) { return a.second == b.second; };
  std::sort(all.begin(), all.end(), by_target);
  if (std::adjacent_find(all.begin(), all.end(), same_target) != all.end()) {
    fail(Code::kInvalidArgument, "two descriptors with the same number for '{}'", options.argv[0]);
  }
}

// Without CLONE_VM: the child has its own copy of the address space, so nothing that it does can harm the
// parent, and the sanitizers see an ordinary fork. What that costs is copying page tables, well below a
// millisecond for processes as small as ours (a guest's memory is the engine's or a shared file mapping,
// never ours). CLONE_VFORK keeps this thread from touching pages meanwhile, which would be copied for
// nothing.
Child clone_child(ChildPlan& plan) {
  int pidfd = -1;
  const AllSignalsBlocked blocked;
  const auto clone_with = [&](int flags) {
    return ::syscall(SYS_clone, flags | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, nullptr,
                     nullptr);
  };
  long pid = clone_with(plan.confinement ? PreparedConfinement::namespaces() : 0);
  // Where namespaces are forbidden, or there are too many, the rest of the confinement has to do.
  if (pid < 0 && plan.confinement) pid = clone_with(0);
  if (pid < 0) fail_errno("start a process for '{}'", plan.path);
  if (pid == 0) run_child(plan);
  return Child(static_cast<pid_t>(pid), UniqueFd(pidfd), plan.own_group);
}

[[noreturn]] void throw_failure(const Failure& failure, const SpawnOptions& options,
                                const std::string& path) {
  switch (failure.step) {
    case Step::kDescriptors:
      throw errno_error(failure.error, fmt::format("hand descriptors to '{}'", path));
    case Step::kParentDeath:
      throw errno_error(failure.error, fmt::format("tie '{}' to this process", path));
    case Step::kConfinement:
      throw errno_error(failure.error, fmt::format("confine '{}'", path));
    case Step::kDirectory:
      throw errno_error(failure.error,
                        fmt::format("change to '{}' for '{}'", options.working_directory, path));
    case Step::kCallFilter:
      throw errno_error(failure.error, fmt::format("filter the system calls of '{}'", path));
    case Step::kExecute:
      break;
  }
  Error error = errno_error(failure.error, fmt::format("execute '{}'", path));
  if (failure.error == ENOENT)
    error.with_hint("the program, or the interpreter that it names, does not exist");
  if (failure.error == ENOEXEC) error.with_hint("it is not a program for this machine");
  throw error;
}

bool is_executable_file(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0;
}

}  // namespace

std::string ExitStatus::describe() const {
  if (!signaled) return fmt::format("exit code {}", value);
  const char* name = ::sigdescr_np(value);
  return fmt::format("killed by signal {} ({})", value, name == nullptr ? "unknown" : name);
}

std::string ExitStatus::sentence(std::string_view subject) const {
  return fmt::format("{} {} {}", subject, signaled ? "was" : "ended with", describe());
}

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  kill_and_reap();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  own_group_ = other.own_group_;
  return *this;
}

Child::~Child() {
  kill_and_reap();
}

void Child::signal(int number) const {
  if (!pidfd_) return;
  signal_pidfd(pidfd_.get(), number);
}

std::optional<ExitStatus> Child::wait(const Deadline& deadline) {
  if (!pidfd_) fail(Code::kInternal, "this process was waited for already");
  if (poll_until(pidfd_.get(), POLLIN, deadline) == 0) return std::nullopt;
  siginfo_t info = {};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) {
    if (errno == ECHILD)
      throw Error(Code::kInternal, fmt::format("how process {} ended can't be learned", pid_),
                  "this program ignores SIGCHLD, or reaps processes that it did not start");
    if (errno != EINTR) fail_errno("wait for process {}", pid_);
  }
  pidfd_.reset();
  return ExitStatus{info.si_code != CLD_EXITED, info.si_status};
}

void Child::kill_and_reap() noexcept {
  if (!pidfd_) return;
  // The group's number is the child's pid, which stays taken until it is reaped.
  if (own_group_) ::kill(-pid_, SIGKILL);
  // Its pid is its own until it is reaped; whoever could not end it would wait for ever.
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0) != 0) ::kill(pid_, SIGKILL);
  siginfo_t info;
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0 && errno == EINTR) {
  }
  pidfd_.reset();
}

UniqueFd Child::detach() {
  return std::move(pidfd_);
}

Child spawn(const SpawnOptions& options) {
  ChildPlan plan;
  plan.path = program_path(options);
  plan.argv = pointers_to(options.argv);
  if (options.environment) plan.environment = pointers_to(*options.environment);
  if (!options.environment) {
    for (char** entry = environ; *entry != nullptr; ++entry) plan.environment.push_back(*entry);
    plan.environment.push_back(nullptr);
  }
  if (!options.working_directory.empty()) plan.directory = options.working_directory.c_str();
  plan.outlive_parent = options.outlive_parent;
  plan.own_group = options.own_group;
  plan.call_filter = options.call_filter;
  if (options.confinement) {
    plan.confinement.emplace(*options.confinement);
    plan.call_filter = &PreparedConfinement::call_filter();
  }
  plan.parent = ::getpid();
  const UniqueFd null_fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_fd) fail_errno("open '/dev/null'");
  plan_descriptors(options, null_fd.get(), plan);

  Pipe report = make_pipe();
  plan.report_fd = report.write_end.get();
  Child child = clone_child(plan);
  report.write_end.reset();
  Failure failure;
  if (read_up_to(report.read_end.get(), &failure, sizeof failure, "a new process") == sizeof failure) {
    throw_failure(failure, options, plan.path);
  }
  return child;
}

std::string find_program(std::string_view name) {
  if (name.empty()) return {};
  if (name.find('/') != std::string_view::npos) {
    const std::string path(name);
    return is_executable_file(path) ? path : std::string();
  }
  const char* search_path = std::getenv("PATH");
  if (search_path == nullptr) return {};
  for (const std::string_view folder : split(search_path, ':')) {
    // A relative entry would mean something else in the child's working directory.
    if (folder.empty() || folder[0] != '/') continue;
    const std::string path = fmt::format("{}/{}", folder, name);
    if (is_executable_file(path)) return path;
  }
  return {};
}

}  // namespace knaller
