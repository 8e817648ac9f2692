#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "probe.h"

namespace probe {

Options options;

namespace {

#include "qemu_call_list.inc"

struct Counts {
  int attempts = 0, succeeded = 0, unclear = 0, allowed = 0, failed = 0;
};
Counts counts;

const char* reason(const Outcome& outcome) {
  return outcome.error == 0 ? outcome.what : strerrorname_np(outcome.error);
}

void make(const Attempt& attempt) {
  const Outcome outcome = attempt.run(attempt);
  ++counts.attempts;
  const char* word = "refused";
  if (outcome.kind == Outcome::Kind::kSucceeded) {
    word = "SUCCEEDED";
    ++counts.succeeded;
  }
  if (outcome.kind == Outcome::Kind::kUnclear) {
    word = "UNCLEAR";
    ++counts.unclear;
  }
  std::printf("attempt %s: %s (%s)\n", attempt.name, word, reason(outcome));
}

void make_all(Attempts attempts) {
  for (const auto& attempt : attempts) make(attempt);
}

void check(Attempts things) {
  for (const auto& thing : things) {
    const Outcome outcome = thing.run(thing);
    ++counts.allowed;
    const bool works = outcome.kind == Outcome::Kind::kSucceeded;
    if (!works) ++counts.failed;
    if (works) std::printf("allowed %s: works\n", thing.name);
    if (!works) std::printf("allowed %s: FAILED (%s)\n", thing.name, reason(outcome));
  }
}

void report() {
  std::printf("probe: %d attempts, %d succeeded, %d unclear; %d allowed, %d failed\n", counts.attempts,
              counts.succeeded, counts.unclear, counts.allowed, counts.failed);
}

// What harms the attempts that come later comes last.
int probe_everything() {
  check(allowed());
  if (!options.as_qemu) check(allowed_to_first_process());
  for (const Attempts group : {namespaces(), processes(), privileges(), mounts(), sockets(), kernel_calls(),
                               devices(), files(), seen(), narrow(), descriptors(), filter()})
    make_all(group);
  std::printf("the next ones would replace this program\n");
  make_all(execution());
  report();
  return 0;
}

int probe_deadly(const char* name) {
  const bool i386 = std::strcmp(name, "i386") == 0;
  std::printf("attempt %s: begun; it may be fatal\n", name);
  make({name, i386 ? call_as_i386 : call_as_x32});
  report();
  return 0;
}

// As the manager asks it of an engine that it is given.
int print_version(const char* self) {
  const char* slash = std::strrchr(self, '/');
  const bool qemu = std::strncmp(slash == nullptr ? self : slash + 1, "knaller-qemu", 12) == 0;
  std::printf("%s v1.16.1\n", qemu ? "knaller-qemu" : "Firecracker");
  return 0;
}

// knaller-qemu executes QEMU, which has the same filter, and a list of its own on top of it, and no execution
// left.
void execute_once(char** argv) {
  const sock_fprog list = {std::size(kQemuSteps), const_cast<sock_filter*>(kQemuSteps)};
  if (options.as_qemu && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &list) != 0)
    std::printf("allowed own-list: FAILED (%s)\n", strerrorname_np(errno));
  setenv("KNALLER_PROBE_AGAIN", "1", 1);
  execve(argv[0], argv, environ);
  std::printf("allowed execute-once: FAILED (%s)\n", strerrorname_np(errno));
}

struct Arguments {
  const char* deadly = nullptr;
  const char* executed = nullptr;
  bool version = false, outlive = false, api_link = false, crowd = false;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  options.self = argv[0];
  options.qemu = std::strstr(argv[0], "/knaller-qemu") != nullptr;
  for (int i = 1; i < argc; ++i) {
    const auto is = [&](const char* name) { return std::strcmp(argv[i], name) == 0; };
    const auto has = [&](const char* name) { return is(name) && i + 1 < argc; };
    if (is("--version")) arguments.version = true;
    if (is("--outlive")) arguments.outlive = true;
    if (is("--api-link")) arguments.api_link = true;
    if (is("--crowd")) arguments.crowd = true;
    if (is("--network")) options.network = true;
    if (is("--as-qemu")) options.as_qemu = true;
    if (is("--no-kvm")) options.kvm = false;
    if (has("--deadly")) arguments.deadly = argv[i + 1];
    if (has("--executed")) arguments.executed = argv[i + 1];
    if (has("--host-socket")) options.host_socket = argv[i + 1];
    if (has("--abstract-socket")) options.abstract_socket = argv[i + 1];
    if (has("--host-pid")) options.host_pid = std::atol(argv[i + 1]);
    if (has("--host-port")) options.host_port = std::atoi(argv[i + 1]);
  }
  return arguments;
}

}  // namespace

Outcome succeeded(const char* what) {
  return {Outcome::Kind::kSucceeded, 0, what};
}

Outcome refused(const char* what) {
  return {Outcome::Kind::kRefused, 0, what};
}

Outcome unprepared() {
  const int error = errno;
  const bool refused = options.as_qemu && (error == ENOSYS || error == EBADF);
  return {refused ? Outcome::Kind::kRefused : Outcome::Kind::kUnclear, error};
}

Outcome judge(long result, std::initializer_list<int> also) {
  const int error = errno;
  if (result >= 0) return succeeded("the call returned no error");
  for (const int known : {EPERM, EACCES, EROFS, ENOSYS})
    if (error == known) return {Outcome::Kind::kRefused, error};
  for (const int known : also)
    if (error == known) return {Outcome::Kind::kRefused, error};
  return {Outcome::Kind::kUnclear, error};
}

Outcome judge_open(long fd, std::initializer_list<int> also) {
  const Outcome outcome = judge(fd, also);
  if (fd >= 0) close(static_cast<int>(fd));
  return outcome;
}

int in_child(int (*body)(const Attempt&), const Attempt& attempt) {
  if (!options.qemu || options.as_qemu) return kNoChild;
  std::fflush(stdout);
  const long child = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child < 0) return kNoChild;
  if (child == 0) _exit(body(attempt));
  int status = 0;
  if (waitpid(static_cast<pid_t>(child), &status, 0) != child) return kNoChild;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

long open_path(const char* path, int flags, unsigned mode) {
  return syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

long read_text(const char* path, char* text, unsigned size) {
  const int fd = static_cast<int>(open_path(path, O_RDONLY));
  if (fd < 0) return -1;
  long length = 0;
  for (long got = 0; (got = read(fd, text + length, size - 1 - static_cast<unsigned>(length))) > 0;)
    length += got;
  close(fd);
  text[length] = '\0';
  return length;
}

int report_execution(const char* attempt) {
  std::printf("attempt %s: SUCCEEDED (a copy of the probe runs)\n", attempt);
  return 42;
}

}  // namespace probe

// Outside of a jail it would try all that with the user's own rights.
int main(int argc, char** argv) {
  using namespace probe;
  setvbuf(stdout, nullptr, _IOLBF, 4096);
  const Arguments arguments = parse(argc, argv);
  if (arguments.version) return print_version(argv[0]);
  if (arguments.executed != nullptr) return report_execution(arguments.executed);
  if (getpid() != 1) {
    std::fprintf(stderr, "probe: it runs as the first process of a jail only\n");
    return 2;
  }
  const bool first = getenv("KNALLER_PROBE_AGAIN") == nullptr;
  // QEMU itself may not list folders.
  if (first && !tell_what_is_seen())
    std::printf("allowed look-at-jail: FAILED (%s)\n", strerrorname_np(errno));
  if (options.qemu && first) execute_once(argv);
  if (arguments.deadly != nullptr) return probe_deadly(arguments.deadly);
  if (arguments.outlive) return outlive();
  if (arguments.api_link) return link_api_socket();
  if (arguments.crowd) return crowd();
  if (!options.as_qemu) listen_for_monitor();
  return probe_everything();
}
