#include "agent/hand_over.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/program.h"

namespace knaller::agent {
namespace {

constexpr int kSocket = 3;

}  // namespace

pid_t hand_over(int socket, const std::function<int(int socket)>& work) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  become_ordinary();
  signal(SIGPIPE, SIG_IGN);
  if (socket != kSocket && dup2(socket, kSocket) < 0) _exit(1);
  syscall(SYS_close_range, kSocket + 1, ~0U, 0);
  _exit(work(kSocket));
}

}  // namespace knaller::agent
