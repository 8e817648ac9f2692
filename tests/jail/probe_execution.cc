// Execution: of what it wrote, of what is there, and of calls of other tables.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "probe.h"

namespace probe {
namespace {

constexpr char kCopy[] = "/vm/copy";
constexpr char kScript[] = "/vm/script";
constexpr int kExecuted = 42;  // report_execution()'s
// Of a child that could not execute, below its errno: a program that did run ends with other codes.
constexpr int kNotExecuted = 120;
char fd_path[64];

int copy_of_self(int to) {
  const int from = static_cast<int>(open_path("/proc/self/exe", O_RDONLY));
  static char buffer[1 << 16];
  long got;
  while ((got = read(from, buffer, sizeof buffer)) > 0)
    if (write(to, buffer, static_cast<size_t>(got)) != got) break;
  close(from);
  return got == 0 ? to : -1;
}

int copy_in_vm() {
  const int fd = static_cast<int>(open_path(kCopy, O_RDWR | O_CREAT | O_TRUNC, 0700));
  return copy_of_self(fd);
}

int copy_in_memory() {
  return copy_of_self(static_cast<int>(syscall(SYS_memfd_create, "copy", 0)));
}

const char* path_of(int fd) {
  std::snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", fd);
  return fd_path;
}

// Returns the errno, for it returns only if it fails.
int execute(const Attempt& attempt, const char* path) {
  const char* const arguments[] = {path, "--executed", attempt.name, nullptr};
  const char* const environment[] = {nullptr};
  syscall(SYS_execve, path, arguments, environment);
  return errno;
}

int execute_descriptor(const Attempt& attempt, int fd, const char* path, int flags) {
  const char* const arguments[] = {"copy", "--executed", attempt.name, nullptr};
  const char* const environment[] = {nullptr};
  syscall(SYS_execveat, fd, path, arguments, environment, flags);
  return errno;
}

int execute_path(const Attempt& attempt) {
  return execute(attempt, attempt.text);
}

int execute_self(const Attempt& attempt) {
  return execute(attempt, options.self);
}

int execute_lock(const Attempt& attempt) {
  return execute(attempt, path_of(3));
}

int execute_lock_descriptor(const Attempt& attempt) {
  return execute_descriptor(attempt, 3, "", AT_EMPTY_PATH);
}

int execute_copy(const Attempt& attempt) {
  close(copy_in_vm());
  return execute(attempt, kCopy);
}

int execute_copy_descriptor(const Attempt& attempt) {
  close(copy_in_vm());
  return execute_descriptor(attempt, static_cast<int>(open_path(kCopy, O_RDONLY)), "", AT_EMPTY_PATH);
}

int execute_memory(const Attempt& attempt) {
  return execute_descriptor(attempt, copy_in_memory(), "", AT_EMPTY_PATH);
}

int execute_memory_path(const Attempt& attempt) {
  return execute(attempt, path_of(copy_in_memory()));
}

int execute_memory_by_process(const Attempt& attempt) {
  std::snprintf(fd_path, sizeof fd_path, "/proc/%d/fd/%d", getpid(), copy_in_memory());
  return execute(attempt, fd_path);
}

int execute_script(const Attempt& attempt) {
  char text[256];
  const int length = std::snprintf(text, sizeof text, "#!%s\n", options.self);
  const int fd = static_cast<int>(open_path(kScript, O_WRONLY | O_CREAT | O_TRUNC, 0700));
  (void)!write(fd, text, static_cast<size_t>(length));
  close(fd);
  return execute(attempt, kScript);
}

int execute_by_loader(const Attempt& attempt) {
  close(copy_in_vm());
  const char* const arguments[] = {attempt.text, kCopy, "--executed", attempt.name, nullptr};
  const char* const environment[] = {nullptr};
  syscall(SYS_execve, attempt.text, arguments, environment);
  return errno;
}

// A child shares its memory with its parent until it executes.
int execute_after_vfork(const Attempt& attempt) {
  const long child = syscall(SYS_vfork);
  if (child < 0) return errno;
  _exit(child == 0 ? kNotExecuted + execute(attempt, options.self) : kExecuted);
}

constexpr int (*kWays[])(const Attempt&) = {
    execute_self,
    execute_path,
    execute_copy,
    execute_copy_descriptor,
    execute_memory,
    execute_memory_path,
    execute_memory_by_process,
    execute_script,
    execute_by_loader,
    execute_lock,
    execute_lock_descriptor,
    execute_after_vfork,
};
enum Way : long {
  kSelf,
  kPath,
  kCopied,
  kCopiedFd,
  kMemory,
  kMemoryPath,
  kMemoryProcess,
  kScripted,
  kLoader,
  kLock,
  kLockFd,
  kVfork
};

int report_errno(const Attempt& attempt) {
  return kNotExecuted + kWays[attempt.number](attempt);
}

// By a child where there may be one, else by itself: then there is nothing after it.
Outcome try_to(const Attempt& attempt) {
  int result = in_child(report_errno, attempt);
  if (result == kNoChild) result = report_errno(attempt);
  if (result < 0) return succeeded("something was executed, and a signal ended it");
  if (result <= kNotExecuted) return succeeded("it was executed");
  errno = result - kNotExecuted;
  return judge(-1, {ENOENT});
}

Outcome map_executable(const Attempt&) {
  const int fd = copy_in_vm();
  if (fd < 0) return unprepared();
  void* at = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  const Outcome outcome = judge(at == MAP_FAILED ? -1 : 0);
  close(fd);
  return outcome;
}

Outcome fork_it(const Attempt& attempt) {
  const long child = syscall(attempt.number, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) _exit(0);
  return judge(child);
}

Outcome judge_deadly(int (*body)(const Attempt&), const Attempt& attempt) {
  const int result = in_child(body, attempt);
  if (result == -SIGSYS) return refused("SIGSYS");
  if (result == -SIGSEGV) return refused("SIGSEGV");
  errno = result == kNoChild ? body(attempt) : result;
  return judge(errno == 0 ? 0 : -1);
}

// getpid(2) of the table for 32 bits; 0 when it was answered.
int call_i386(const Attempt&) {
  prctl(PR_SET_NAME, "i386");
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result < 0 ? static_cast<int>(-result) : 0;
}

int call_x32(const Attempt&) {
  return syscall(0x40000000 | SYS_getpid) < 0 ? errno : 0;
}

constexpr Attempt kAttempts[] = {
    {"map-executable-file", map_executable},
    {"fork-with-signal",
     [](auto&) {
       return options.qemu && !options.as_qemu ? refused("QEMU is forked")
                                               : fork_it({"", nullptr, SYS_clone});
     }},
    {"fork", fork_it, SYS_fork},
    {"vfork", try_to, kVfork},
    {"execute-self-again", try_to, kSelf},
    {"execute-shell", try_to, kPath, "/bin/sh"},
    {"execute-program", try_to, kPath, "/usr/bin/env"},
    {"execute-copy", try_to, kCopied},
    {"execute-copy-by-descriptor", try_to, kCopiedFd},
    {"execute-memory", try_to, kMemory},
    {"execute-memory-by-path", try_to, kMemoryPath},
    {"execute-memory-by-process", try_to, kMemoryProcess},
    {"execute-script", try_to, kScripted},
    {"execute-by-loader", try_to, kLoader, "/lib64/ld-linux-x86-64.so.2"},
    {"execute-by-loader-of-usr", try_to, kLoader, "/usr/lib64/ld-linux-x86-64.so.2"},
    {"execute-qemu", try_to, kPath, "/usr/bin/qemu-system-x86_64"},
    {"execute-loader", try_to, kPath, "/lib64/ld-linux-x86-64.so.2"},
    {"execute-library", try_to, kPath, "/lib/x86_64-linux-gnu/libc.so.6"},
    {"execute-lock", try_to, kLock},
    {"execute-lock-by-descriptor", try_to, kLockFd},
};

}  // namespace

Attempts execution() {
  return kAttempts;
}

Outcome call_as_i386(const Attempt& attempt) {
  return judge_deadly(call_i386, attempt);
}

Outcome call_as_x32(const Attempt& attempt) {
  return judge_deadly(call_x32, attempt);
}

}  // namespace probe
