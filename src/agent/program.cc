#include "agent/program.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace knaller::agent {
namespace {

constexpr char kRootPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr char kUserPath[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";
constexpr rlim_t kFiles = 1024;  // whoever uses select(2) breaks with more
constexpr rlim_t kMostFiles = 524288;

std::string_view value_of(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment)
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=')
      return std::string_view(entry).substr(name.size() + 1);
  return {};
}

void set(std::vector<std::string>& environment, const std::string& entry) {
  const std::string name = entry.substr(0, entry.find('=') + 1);
  for (std::string& old : environment) {
    if (!old.starts_with(name)) continue;
    old = entry;
    return;
  }
  environment.push_back(entry);
}

// Where the guest's programs live, as descriptors; -1: where this process is.
struct Place {
  int root = -1;
  int mounts = -1;
};

// Everything that the child needs, made before it is: it shares this process's memory until it executes its
// program, and so makes nothing but system calls.
struct Prepared {
  std::vector<std::string> candidates;
  std::vector<char*> arguments;
  std::vector<char*> script;  // /bin/sh, the file, and its arguments: for one that names no interpreter
  std::vector<char*> environment;
  const char* directory = nullptr;
  const char* home = nullptr;
  Place place;
  int own = -1;  // this program itself, which may have no name in the guest
};

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// What failed, by number: the child can't make texts.
enum class Step { kNone, kEnter, kTerminal, kDescriptors, kUser, kDirectory, kExecute };

struct Outcome {
  Step step = Step::kNone;
  int error = 0;
};

[[noreturn]] void give_up(volatile Outcome* outcome, Step step) {
  outcome->error = errno;
  outcome->step = step;
  _exit(127);
}

void reset_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The agent survives what its children need not.
void take_ordinary_limits() {
  const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score >= 0) {
    (void)!write(score, "0", 1);
    close(score);
  }
  const rlimit files = {kFiles, kMostFiles};
  setrlimit(RLIMIT_NOFILE, &files);
  umask(022);
}

Place open_place(const Guest& guest) {
  Place place;
  if (!guest.root.empty()) place.root = open(guest.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (!guest.mounts.empty()) place.mounts = open(guest.mounts.c_str(), O_RDONLY | O_CLOEXEC);
  return place;
}

void close_place(const Place& place) {
  if (place.root >= 0) close(place.root);
  if (place.mounts >= 0) close(place.mounts);
}

bool enter(const Place& place) {
  if (place.mounts >= 0 && setns(place.mounts, CLONE_NEWNS) != 0) return false;
  return place.root < 0 || (fchdir(place.root) == 0 && chroot(".") == 0);
}

bool take_descriptors(const Program& program) {
  for (int i = 0; i < 3; ++i)
    if (dup2(program.descriptors[i], i) < 0) return false;
  return syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) == 0;
}

// By the system calls themselves: glibc's functions would tell threads that there are not.
bool become_user(const Account& account) {
  if (geteuid() != 0) return true;
  return syscall(SYS_setgroups, account.groups.size(), account.groups.data()) == 0 &&
         syscall(SYS_setresgid, account.gid, account.gid, account.gid) == 0 &&
         syscall(SYS_setresuid, account.uid, account.uid, account.uid) == 0;
}

bool enter_home(const char* home) {
  return chdir(home) == 0 || chdir("/") == 0;
}

bool enter_directory(const Prepared& prepared) {
  if (prepared.directory != nullptr) return chdir(prepared.directory) == 0;
  return enter_home(prepared.home);
}

// The first that there is; one that may not be executed counts only when no later one can be.
void execute(Prepared& prepared) {
  if (prepared.own >= 0) {
    syscall(SYS_execveat, prepared.own, "", prepared.arguments.data(), prepared.environment.data(),
            AT_EMPTY_PATH);
    return;
  }
  int worst = ENOENT;
  for (const std::string& path : prepared.candidates) {
    execve(path.c_str(), prepared.arguments.data(), prepared.environment.data());
    if (errno == ENOEXEC) {
      prepared.script[1] = const_cast<char*>(path.c_str());
      execve("/bin/sh", prepared.script.data(), prepared.environment.data());
    }
    if (errno != ENOENT && errno != ENOTDIR) worst = errno;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) break;
  }
  errno = worst;
}

[[noreturn]] void run_child(const Program& program, Prepared& prepared, volatile Outcome* outcome) {
  become_ordinary();
  setsid();
  if (program.has_terminal && ioctl(program.descriptors[0], TIOCSCTTY, 0) != 0)
    give_up(outcome, Step::kTerminal);
  if (!enter(prepared.place)) give_up(outcome, Step::kEnter);
  if (!take_descriptors(program)) give_up(outcome, Step::kDescriptors);
  if (!become_user(program.account)) give_up(outcome, Step::kUser);
  if (!enter_directory(prepared)) give_up(outcome, Step::kDirectory);
  execute(prepared);
  give_up(outcome, Step::kExecute);
}

constexpr char kEnterRoot[] = "enter the guest's root";

std::string become(const Account& account) {
  return "become user " + std::to_string(account.uid);
}

std::string describe(Step step, const Program& program) {
  switch (step) {
    case Step::kNone:
      break;
    case Step::kEnter:
      return kEnterRoot;
    case Step::kTerminal:
      return "take the terminal";
    case Step::kDescriptors:
      return "take its descriptors";
    case Step::kUser:
      return become(program.account);
    case Step::kDirectory:
      return "enter '" + program.directory + "'";
    case Step::kExecute:
      return "run '" + program.arguments.front() + "'";
  }
  return "start it";
}

}  // namespace

void become_ordinary() {
  reset_signals();
  take_ordinary_limits();
}

bool enter_guest_as(const Guest& guest, const Account& account, StartFailure* failure) {
  const Place place = open_place(guest);
  const bool entered = enter(place);
  if (!entered) *failure = {errno, kEnterRoot};
  close_place(place);
  if (!entered) return false;
  if (!become_user(account) || !enter_home(account.home.c_str())) {
    *failure = {errno, become(account)};
    return false;
  }
  return true;
}

std::vector<std::string> environment_of(const Program& program) {
  const Account& account = program.account;
  std::vector<std::string> environment{account.uid == 0 ? kRootPath : kUserPath, "HOME=" + account.home,
                                       "SHELL=" + account.shell};
  if (!account.name.empty()) {
    environment.push_back("USER=" + account.name);
    environment.push_back("LOGNAME=" + account.name);
  }
  for (const std::string& entry : program.environment) set(environment, entry);
  return environment;
}

std::vector<std::string> candidates_of(const std::string& name, const std::vector<std::string>& environment) {
  if (name.find('/') != std::string::npos) return {name};
  std::vector<std::string> candidates;
  if (name.empty()) return candidates;
  std::string_view path = value_of(environment, "PATH");
  while (true) {
    const size_t end = path.find(':');
    const std::string folder(path.substr(0, end));
    candidates.push_back(folder.empty() ? name : folder + "/" + name);
    if (end == std::string_view::npos) return candidates;
    path.remove_prefix(end + 1);
  }
}

pid_t start_program(const Guest& guest, const Program& program, StartFailure* failure) {
  const std::vector<std::string> environment = environment_of(program);
  std::vector<std::string> script{"/bin/sh", ""};
  script.insert(script.end(), program.arguments.begin() + 1, program.arguments.end());
  Prepared prepared{.candidates = candidates_of(program.arguments.front(), environment),
                    .arguments = pointers_to(program.arguments),
                    .script = pointers_to(script),
                    .environment = pointers_to(environment),
                    .directory = program.directory.empty() ? nullptr : program.directory.c_str(),
                    .home = program.account.home.c_str(),
                    .place = open_place(guest)};
  if (program.own) prepared.own = open("/proc/self/exe", O_PATH | O_CLOEXEC);
  volatile Outcome outcome;
  const pid_t pid = vfork();
  if (pid == 0) run_child(program, prepared, &outcome);
  const int error = errno;
  close_place(prepared.place);
  if (prepared.own >= 0) close(prepared.own);
  if (pid < 0) {
    *failure = {error, "start a process"};
    return -1;
  }
  if (outcome.step == Step::kNone) return pid;
  waitpid(pid, nullptr, 0);
  *failure = {outcome.error, describe(outcome.step, program)};
  return -1;
}

}  // namespace knaller::agent
