// Child processes: one way to start them, and pidfds to wait for and signal them. Never a shell, never a bare
// pid.
//
// spawn() uses clone(CLONE_VFORK | CLONE_PIDFD): glibc 2.36's posix_spawn gives no pidfd. The child resets
// its signals, gets exactly the descriptors asked for (everything else is closed) and, unless
// `outlive_parent`, a parent-death signal. That signal follows the *thread* that spawned: spawn long-lived
// children from a thread that lives as long.
#ifndef KNALLER_BASE_PROCESS_H_
#define KNALLER_BASE_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/confined_program.h"
#include "base/deadline.h"
#include "base/fd.h"

struct sock_fprog;

namespace knaller {

struct SpawnOptions {
  std::vector<std::string> argv;  // argv[0] is the path to execute; looked up on PATH only when `search_path`
  bool search_path = false;
  std::optional<std::vector<std::string>> environment;  // "K=V"; the parent's when absent
  std::string working_directory;                        // the parent's when empty
  int stdin_fd = -1;                                    // -1: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  std::vector<std::pair<int, int>> descriptors;  // {ours, the child's number (>= 3)}
  bool outlive_parent = false;                   // true: no parent-death signal, a session of its own
  std::optional<Confinement> confinement;        // for programs that read hostile files
  // Of system calls, on top of what is in force; the last thing before execve(2), which it must allow.
  const sock_fprog* call_filter = nullptr;
  bool own_group = false;  // a process group of its own: killing the child kills its children, too
};

// How a process ended.
struct ExitStatus {
  bool signaled = false;
  int value = 0;  // exit code, or signal number when `signaled`

  bool success() const { return !signaled && value == 0; }
  // "exit code 3", "killed by signal 9 (Killed)"
  std::string describe() const;
  // "the engine ended with exit code 3", "the engine was killed by signal 9 (Killed)"
  std::string sentence(std::string_view subject) const;
};

// A child process. The destructor kills and reaps what was neither waited for nor detached.
class Child {
 public:
  Child() = default;
  Child(pid_t pid, UniqueFd pidfd, bool own_group = false)
      : pid_(pid), pidfd_(std::move(pidfd)), own_group_(own_group) {}
  Child(Child&&) noexcept = default;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  explicit operator bool() const { return static_cast<bool>(pidfd_); }
  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once the process has ended

  void signal(int number) const;  // no error when it has ended already
  // Nothing when the deadline passes first. Reaps the process.
  std::optional<ExitStatus> wait(const Deadline& deadline);
  // SIGKILL, to its whole group if it has one of its own, and reap. Idempotent.
  void kill_and_reap() noexcept;
  // Gives up ownership: the process goes on, and somebody else reaps it.
  UniqueFd detach();

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  bool own_group_ = false;
};

// Throws kNotFound when the program does not exist, and what exec(2) reported otherwise.
Child spawn(const SpawnOptions& options);

struct ProgramOutput {
  ExitStatus status;
  std::string out;
  std::string err;  // the last 16 KiB
};

// Runs a program to its end, with `input` on its standard input. Kills it when the deadline passes (kTimeout)
// or the caller stops (kCancelled). Does not judge the exit status. More than `output_limit` bytes of output
// is kIo.
ProgramOutput run_program(SpawnOptions options, const Deadline& deadline, std::string_view input = {},
                          size_t output_limit = 16 << 20);
// The same, and anything but exit code 0 is an error of kIo with the program's own words; returns its
// standard output.
std::string run_checked(SpawnOptions options, const Deadline& deadline, std::string_view input = {});

// The full path of `name` on this process's PATH (a name with a slash: itself, if executable); empty when
// there is none.
std::string find_program(std::string_view name);

}  // namespace knaller

#endif  // KNALLER_BASE_PROCESS_H_
