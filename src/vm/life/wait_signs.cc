#include "vm/life/wait_signs.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/error.h"
#include "monitor/agent_link.h"
#include "monitor/alive.h"
#include "ssh/probe.h"

namespace knaller::vm {
namespace {

constexpr std::chrono::seconds kAnswerPatience{2};

// How it failed does not matter: the VM has ended, or nobody wants to know any more.
bool answers(const store::VmRecord& record, uint16_t ssh_port, int directory, const std::stop_token& stop) {
  try {
    if (record.has_agent) {
      monitor::connect_agent(directory, record, Deadline::never(stop));
      return true;
    }
    ssh::probe("127.0.0.1", ssh_port, Deadline::never(stop), [directory] {
      if (!monitor::is_alive(directory)) fail(Code::kEngineDied, "the VM has ended");
    });
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Knock::Knock(const store::VmRecord& record, uint16_t ssh_port, int directory, int when_over)
    : thread_([this, record, ssh_port, directory, when_over](const std::stop_token& stop) {
        answered_ = answers(record, ssh_port, directory, stop);
        over_ = true;
        ::eventfd_write(when_over, 1);
      }) {}

MonitorEnd::MonitorEnd(int vm_directory)
    : client_(monitor::MonitorClient::connect(vm_directory, Deadline::after(kAnswerPatience))) {
  client_.ask_status();
}

bool MonitorEnd::has_come() {
  char buffer[4096];
  while (true) {
    const ssize_t got = ::recv(client_.socket(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) return true;
  }
}

}  // namespace knaller::vm
