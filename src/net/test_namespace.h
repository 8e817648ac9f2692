// For tests of real networks: processes in namespaces of their own, and work done inside those namespaces.
//
// in_host() runs a test's body in a child that is the "host": its own network and mount namespace, and its
// own user namespace unless the test runs as root, so that the same test covers both. Everything the body
// makes ends with it.
#ifndef KNALLER_NET_TEST_NAMESPACE_H_
#define KNALLER_NET_TEST_NAMESPACE_H_

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

namespace knaller::net {

inline void write_proc(const std::string& path, const std::string& text) {
  write_all(open_at(AT_FDCWD, path, O_WRONLY).get(), text, path);
}

// Ids mapped to themselves, as the monitor does it for its engine.
inline void enter_user_namespace(int more_flags) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | more_flags) != 0) fail_errno("make a user namespace");
  write_proc("/proc/self/setgroups", "deny");
  write_proc("/proc/self/uid_map", fmt::format("{0} {0} 1", uid));
  write_proc("/proc/self/gid_map", fmt::format("{0} {0} 1", gid));
}

inline int finish(const std::string& what, const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& exception) {
    ADD_FAILURE() << what << ": " << exception.what();
  }
  std::cout.flush();
  return ::testing::Test::HasFailure() ? 1 : 0;
}

// Why namespaces cannot be made here; empty when they can.
inline std::string namespaces_refused() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : errno);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WEXITSTATUS(status) != 0) return "user namespaces are refused here";
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) return "/dev/net/tun cannot be opened by this user";
  return {};
}

inline void in_host(const std::function<void()>& body) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(120);  // a test that hangs ends, and everything with it
    ::_exit(finish("host", [&] {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::geteuid() != 0) enter_user_namespace(CLONE_NEWNET | CLONE_NEWNS);
      if (::geteuid() == 0 && ::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) fail_errno("make namespaces");
      if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        fail_errno("make mounts private");
      body();
    }));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the host process failed, status " << status;
}

// A process that waits in a user and network namespace of its own, after running `setup` in it. `setup` may
// return a descriptor, which is then available here as fd(). Its Errors are thrown here.
class Namespace {
 public:
  explicit Namespace(const std::function<int()>& setup) {
    Pipe report = make_pipe();
    pid_ = ::fork();
    if (pid_ < 0) fail_errno("fork");
    if (pid_ == 0) live(setup, report.write_end);
    report.write_end.reset();
    const std::string line = read_to_end(report.read_end.get(), 4096, "the namespace's report");
    if (line.rfind("fd ", 0) != 0) fail(Code::kInternal, "{}", line.empty() ? "the namespace died" : line);
    take(std::stoi(line.substr(3)));
  }
  ~Namespace() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  pid_t pid() const { return pid_; }
  int fd() const { return fd_.get(); }

  // Runs `body` in a child inside the namespaces, and returns what it returned.
  std::string run(const std::function<std::string()>& body) const {
    Pipe answer = make_pipe();
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::_exit(finish("inside", [&] {
        enter();
        write_all(answer.write_end.get(), body(), "the answer");
      }));
    }
    answer.write_end.reset();
    std::string text = read_to_end(answer.read_end.get(), 1 << 20, "the answer");
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    return text;
  }

  // For a child that goes on inside.
  void enter() const {
    for (const char* kind : {"user", "net"}) {
      const UniqueFd space = open_at(AT_FDCWD, fmt::format("/proc/{}/ns/{}", pid_, kind), O_RDONLY);
      if (::setns(space.get(), 0) != 0) fail_errno("enter the {} namespace", kind);
    }
  }

 private:
  [[noreturn]] static void live(const std::function<int()>& setup, UniqueFd& report) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::string line;
    try {
      enter_user_namespace(CLONE_NEWNET);
      line = fmt::format("fd {}", setup());
    } catch (const std::exception& exception) {
      line = exception.what();
    }
    write_all(report.get(), line, "the report");
    report.reset();
    for (;;) ::pause();
  }

  void take(int number) {
    if (number < 0) return;
    const UniqueFd pidfd = open_pidfd(pid_);
    fd_.reset(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
    if (!fd_) fail_errno("take a descriptor of the namespace");
  }

  pid_t pid_ = -1;
  UniqueFd fd_;
};

}  // namespace knaller::net

#endif  // KNALLER_NET_TEST_NAMESPACE_H_
