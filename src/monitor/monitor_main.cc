// knaller-monitor: one per VM. Started by a launcher with its end of the handover socket as descriptor 3;
// becomes nobody's child, so that it outlives the command that started it.
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "monitor/engine_process.h"
#include "monitor/handover_words.h"
#include "monitor/monitor.h"

namespace {

using namespace knaller;

constexpr int kHandoverFd = 3;

// The launcher made this process the leader of a session of its own; one more fork, and it can neither get a
// terminal nor be waited for.
void leave_launcher() {
  const pid_t child = ::fork();
  if (child < 0) fail_errno("start the VM's monitor");
  if (child > 0) ::_exit(0);
}

UniqueFd take_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGTERM);
  sigaddset(&ours, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &ours, nullptr) != 0) fail_errno("block signals");
  UniqueFd fd(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) fail_errno("make a signalfd");
  return fd;
}

void run_monitor() {
  if (::fcntl(kHandoverFd, F_SETFD, FD_CLOEXEC) != 0) {
    throw Error(Code::kInvalidArgument, "knaller-monitor is started by knaller, not by hand",
                "use 'knaller start'");
  }
  leave_launcher();
  ::umask(077);
  // Two threads that never allocate much: one arena keeps the monitor small.
  ::mallopt(M_ARENA_MAX, 1);
  const UniqueFd signals = take_signals();
  monitor::Loop loop;
  monitor::Monitor monitor(loop, UniqueFd(kHandoverFd));
  const monitor::Loop::Watch watch = loop.watch(signals.get(), POLLIN, [&](short) {
    signalfd_siginfo info;
    if (::read(signals.get(), &info, sizeof info) == sizeof info) monitor.on_terminate();
  });
  monitor.run();
}

// Whoever started this waits for a message. Where the handover is closed already, it was told.
void tell_launcher(const Error& error) {
  try {
    const Json message = {{"event", to_text(monitor::HandoverEvent::kError)},
                          {"error", error_to_json(error)}};
    write_all(kHandoverFd, dump_json(message) + "\n", "the launcher");
  } catch (const std::exception&) {
    // Standard error has it.
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--version") == 0) {
    std::puts("knaller-monitor " KNALLER_VERSION);
    return 0;
  }
  try {
    // For `knaller doctor`: a profile of AppArmor's is for this program and not for that one.
    if (argc > 1 && std::strcmp(argv[1], "--try-namespaces") == 0)
      monitor::try_namespaces();
    else if (argc > 2 && std::strcmp(argv[1], monitor::kSetClockFlag) == 0)
      return monitor::set_clock_main(argv[2]);
    else
      run_monitor();
    return 0;
  } catch (const std::exception& exception) {
    const Error error = error_from(exception);
    std::fprintf(stderr, "knaller-monitor: %s\n", error.what());
    if (!error.hint().empty()) std::fprintf(stderr, "%s\n", error.hint().c_str());
    tell_launcher(error);
    return 1;
  }
}
