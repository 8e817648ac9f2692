#include "vm/life/enter.h"

#include "base/error.h"
#include "base/text.h"
#include "entry/connect.h"
#include "entry/copy.h"
#include "entry/exec.h"
#include "entry/sessions.h"
#include "monitor/agent_link.h"
#include "monitor/alive.h"
#include "monitor/client.h"
#include "monitor/renewal.h"
#include "store/layout.h"
#include "store/vm_record.h"
#include "vm/home/layout.h"
#include "vm/life/list.h"
#include "vm/life/ports.h"
#include "vm/life/ready.h"

namespace knaller::vm {
namespace {

constexpr std::chrono::seconds kConnectTime{10};
constexpr std::chrono::seconds kPinTime{3};
constexpr std::chrono::seconds kAtOnce{1};
constexpr std::string_view kReachPorts = "reach its ports";

void require_running(const std::string& name, int directory) {
  if (!monitor::is_alive(directory))
    throw Error(Code::kWrongState, fmt::format("VM '{}' is not running", name),
                fmt::format("start it: knaller start {}", name));
  const Deadline deadline = Deadline::after(std::chrono::seconds(2));
  if (monitor::MonitorClient::connect(directory, deadline).status(deadline).state ==
      monitor::RunState::kPaused)
    throw Error(Code::kWrongState, fmt::format("VM '{}' is paused", name),
                fmt::format("resume it: knaller resume {}", name));
}

// Of a VM that nobody waited for. Whoever enters it may want to see why its agent does not answer.
void try_to_pin(const Context& context, const store::VmRecord& record, int directory,
                const std::string& path) {
  try {
    pin_host_key(context, record, directory, path, Deadline::after(kPinTime));
  } catch (const Error& error) {
    context.note(fmt::format("the host key of '{}' is not known yet: {}", record.name, error.what()));
  }
}

}  // namespace

SshTarget ssh_target(const Context& context, const std::string& name) {
  const UniqueFd directory = open_vm(context, name);
  const store::VmRecord record = store::read_vm_record(directory.get(), name);
  const uint16_t port = ssh_port_of(record.bound);
  if (!record.has_agent && port == 0)
    throw Error(
        Code::kUnsupported,
        fmt::format("the guest of VM '{}' has no agent, and no port of this host leads to its SSH server",
                    name),
        "use an image that knaller builds, or forward a port when it starts: --port 0:22");
  require_running(name, directory.get());
  if (!record.has_ssh)
    throw Error(Code::kUnsupported, fmt::format("VM '{}' runs an image that knaller has no key for", name),
                port == 0 ? fmt::format("run a command: knaller exec {} -- CMD", name)
                          : fmt::format("enter it with a key of your own: ssh -p {} USER@127.0.0.1", port));
  const std::string path = context.home.path_of(store::Kind::kVm, name);
  if (record.has_agent) try_to_pin(context, record, directory.get(), path);
  return {.host = "127.0.0.1",
          .port = port,
          .user = "root",
          .key_file = path + "/" + layout::kSshKey,
          .known_hosts_file = path + "/" + layout::kKnownHosts,
          .host_alias = monitor::kHostAlias,
          .has_agent = record.has_agent};
}

namespace {

// An agent answers at once or not at all: a VM that runs is asked nothing else. One that does not is looked
// at.
entry::Link open_link(const store::VmRecord& record, int directory, const Deadline& deadline) {
  try {
    return monitor::connect_agent(directory, record, deadline.sooner(kAtOnce));
  } catch (const Error& error) {
    if (error.code() == Code::kUnsupported || deadline.stopped()) throw;
  }
  require_running(record.name, directory);
  try {
    return monitor::connect_agent(directory, record, deadline);
  } catch (Error& error) {
    if (error.hint().empty()) error.with_hint(fmt::format("see how far it is: knaller logs {}", record.name));
    throw;
  }
}

// `what`: for which it is needed.
store::VmRecord record_with_agent(int directory, const std::string& name, std::string_view what) {
  store::VmRecord record = store::read_vm_record(directory, name);
  if (!record.has_agent)
    throw Error(Code::kUnsupported, fmt::format("the guest of VM '{}' has no agent to {} by", name, what),
                "use an image that knaller builds, or forward a port when it starts: --port");
  return record;
}

entry::Link link_for_commands(const Context& context, const std::string& name, const Deadline& deadline) {
  const UniqueFd directory = open_vm(context, name);
  return open_link(record_with_agent(directory.get(), name, "run a command"), directory.get(), deadline);
}

entry::Link link_for_command(const Context& context, const std::string& name, const ExecOptions& options) {
  if (options.argv.empty() == options.shell_command.empty())
    fail(Code::kInvalidArgument, "exec takes either an argument vector or a shell command");
  return link_for_commands(context, name, Deadline::after(options.connect_timeout, options.stop));
}

}  // namespace

ExecResult exec_in_vm(const Context& context, const std::string& name, const ExecOptions& options) {
  entry::Link link = link_for_command(context, name, options);
  return entry::exec(link, options);
}

std::string detach_in_vm(const Context& context, const std::string& name, const ExecOptions& options) {
  entry::Link link = link_for_command(context, name, options);
  return entry::session_text(entry::detach(link, options));
}

std::vector<SessionInfo> sessions_of_vm(const Context& context, const std::string& name,
                                        std::stop_token stop) {
  const Deadline deadline = Deadline::after(kConnectTime, std::move(stop));
  entry::Link link = link_for_commands(context, name, deadline);
  return entry::list_sessions(link, deadline);
}

ExecResult attach_to_session(const Context& context, const std::string& name, const std::string& session,
                             const ExecOptions& options) {
  const std::string bytes = entry::session_bytes(session);
  entry::Link link = link_for_commands(context, name, Deadline::after(options.connect_timeout, options.stop));
  return entry::attach(link, bytes, options);
}

void signal_in_vm(const Context& context, const std::string& name, const std::string& session, int signal,
                  std::stop_token stop) {
  const std::string bytes = entry::session_bytes(session);
  const Deadline deadline = Deadline::after(kConnectTime, std::move(stop));
  entry::Link link = link_for_commands(context, name, deadline);
  entry::signal_session(link, bytes, signal, deadline);
}

void require_agent(const Context& context, const std::string& name) {
  const UniqueFd directory = open_vm(context, name);
  record_with_agent(directory.get(), name, kReachPorts);
  require_running(name, directory.get());
}

entry::RawLink open_port(const Context& context, const std::string& name, uint16_t port,
                         const Deadline& deadline) {
  const UniqueFd directory = open_vm(context, name);
  const store::VmRecord record = record_with_agent(directory.get(), name, kReachPorts);
  return entry::connect_port(open_link(record, directory.get(), deadline), port, deadline);
}

void connect_to_vm(const Context& context, const ConnectOptions& options) {
  if (options.port == 0) fail(Code::kInvalidArgument, "0 is no port to connect to");
  entry::RawLink link =
      open_port(context, options.vm, options.port, Deadline::after(options.connect_timeout, options.stop));
  entry::relay(link, options.input_fd, options.output_fd, options.stop);
}

namespace {

void tell_of_copy(const Context& context, const entry::CopySummary& copied) {
  const auto tell = [&](const std::vector<std::string>& paths, std::string_view what) {
    for (const std::string& path : paths) context.note(fmt::format("'{}' {}", printable(path), what));
  };
  tell(copied.left_out, "is left out: it is a device, a pipe or a socket");
  tell(copied.vanished, "is left out: it was removed meanwhile");
  tell(copied.changed, "was written to meanwhile: it is copied as far as it was there at first");
}

}  // namespace

void copy_files(const Context& context, const CopyOptions& options) {
  const UniqueFd directory = open_vm(context, options.vm);
  const store::VmRecord record = record_with_agent(directory.get(), options.vm, "copy");
  const Deadline start = Deadline::after(kConnectTime, options.stop);
  const auto progress = [&](uint64_t done, uint64_t total) {
    context.tell({.kind = EventKind::kProgress, .text = "copying", .done = done, .total = total});
  };
  const auto copy =
      options.direction == CopyOptions::Direction::kToGuest ? entry::copy_to_guest : entry::copy_from_guest;
  tell_of_copy(context, copy(open_link(record, directory.get(), start), options, progress, start));
}

}  // namespace knaller::vm
