#include "monitor/monitor_filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <iterator>

#include "base/error.h"

namespace knaller::monitor {
namespace {

#include "monitor_filter.inc"

}  // namespace

void filter_monitor_calls() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail_errno("set NO_NEW_PRIVS");
  const sock_fprog program = {static_cast<unsigned short>(std::size(kMonitorFilter)),
                              const_cast<sock_filter*>(kMonitorFilter)};  // the kernel only reads it
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &program) != 0)
    fail_errno("filter the monitor's system calls");
}

}  // namespace knaller::monitor
