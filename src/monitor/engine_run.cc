#include "monitor/engine_run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "base/file.h"
#include "engine/engine_family.h"
#include "monitor/alive.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

constexpr size_t kExplainingLines = 20;
constexpr std::chrono::seconds kLockPatience{2};

// The monitor's end is opened read-write: the fifo has no end of file, and outlives what the engine does to
// its name.
UniqueFd make_log_fifo(const VmDirectory& directory) {
  const int jail = directory.jail();
  directory.clear_in_jail(layout::kEngineFifo);
  if (::mkfifoat(jail, layout::kEngineFifo, 0600) != 0) fail_errno("make the fifo for the engine's log");
  UniqueFd fd = open_beneath(jail, layout::kEngineFifo, O_RDWR | O_NONBLOCK);
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) fail_errno("look at the fifo for the engine's log");
  if (!S_ISFIFO(status.st_mode)) fail(Code::kCorrupt, "the engine's log is not a fifo");
  return fd;
}

std::vector<std::string> engine_arguments(const LaunchSpec& spec) {
  std::vector<std::string> arguments{
      "--api-sock", layout::kApiSocket,  "--id",    spec.uuid.empty() ? "knaller" : spec.uuid,
      "--log-path", layout::kEngineFifo, "--level", "Info"};
  arguments.insert(arguments.end(), spec.engine_args.begin(), spec.engine_args.end());
  return arguments;
}

std::vector<std::string> devices_of(const LaunchSpec& spec) {
  std::vector<std::string> devices;
  if (spec.kvm) devices.emplace_back("kvm");
  if (spec.network || spec.control_link) devices.emplace_back("net/tun");
  return devices;
}

Pipe make_output_pipe() {
  Pipe pipe = make_pipe();
  // The read end only: a blocked guest console is the engine's business, and it would be surprised by EAGAIN.
  const int flags = ::fcntl(pipe.read_end.get(), F_GETFL);
  if (flags < 0 || ::fcntl(pipe.read_end.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    fail_errno("set up the engine's output pipe");
  }
  return pipe;
}

}  // namespace

void EngineLogs::add_console(std::string_view text) {
  console.append(text);
  console_tail.feed(text);
}

void EngineLogs::add_engine(std::string_view text) {
  engine.append(text);
  engine_tail.feed(text);
}

void EngineLogs::end_gaps() {
  console.end_gap(console_tail.text());
  engine.end_gap(engine_tail.text());
}

std::string EngineLogs::explanation() const {
  const std::string console_lines = console_tail.lines(kExplainingLines);
  const std::string engine_lines = engine_tail.lines(kExplainingLines);
  std::string text;
  if (!console_lines.empty()) text += "last lines of the guest's console:\n" + console_lines;
  if (!engine_lines.empty()) text += "last lines of the engine's log:\n" + engine_lines;
  if (!text.empty()) text.pop_back();
  return text;
}

EngineRun::EngineRun(Loop& loop, const VmDirectory& directory, const LaunchSpec& spec,
                     const std::optional<EngineNetwork>& network, int control_group, EngineLogs& logs,
                     EngineCallbacks callbacks)
    : loop_(loop),
      logs_(logs),
      callbacks_(std::move(callbacks)),
      filter_(engine::family_of(spec.engine).call_filter()),
      since_(std::chrono::system_clock::now()) {
  directory.clear_in_jail(layout::kApiSocket);
  log_fifo_ = make_log_fifo(directory);
  console_ = make_output_pipe();
  errors_ = make_output_pipe();
  // The monitor's copy of the lock goes away at the end of this scope: from then on it is the engine's alone.
  const UniqueFd lock = lock_engine_alive(directory.fd(), Deadline::after(kLockPatience));
  process_ = EngineProcess::start({.jail = {.engine_binary = spec.engine_binary,
                                            .files = spec.engine_files,
                                            .devices = devices_of(spec),
                                            .identity = engine_identity(spec.uuid),
                                            .directory = layout::kJail,
                                            .immutable = spec.immutable,
                                            .binds = spec.binds},
                                   .arguments = engine_arguments(spec),
                                   .network = network,
                                   .control_link = spec.control_link,
                                   .filter = filter_,
                                   .file_limit = spec.file_limit,
                                   .control_group = control_group,
                                   .lock_fd = lock.get(),
                                   .stdout_fd = console_.write_end.get(),
                                   .stderr_fd = errors_.write_end.get()});
  console_.write_end.reset();
  errors_.write_end.reset();
  watch_all();
  worker_ = std::make_unique<EngineWorker>(loop_, directory.jail(), layout::kApiSocket);
}

EngineRun::~EngineRun() = default;

void EngineRun::watch_all() {
  const auto to_log = [this](std::string_view text) { logs_.add_engine(text); };
  gate_watch_ = loop_.watch(process_.gate_fd(), POLLIN, [this](short) { on_gate(); });
  console_input_.emplace(loop_, console_.read_end.get(),
                         [this](std::string_view text) { take_console(text); });
  errors_input_.emplace(loop_, errors_.read_end.get(), to_log);
  log_input_.emplace(loop_, log_fifo_.get(), to_log);
  end_watch_ = loop_.watch(pidfd(), POLLIN, [this](short) { on_process_end(); });
}

void EngineRun::unwatch_all() {
  for (Loop::Watch* watch : {&gate_watch_, &calls_watch_, &end_watch_}) watch->reset();
  for (auto* input : {&console_input_, &errors_input_, &log_input_}) input->reset();
}

void EngineRun::kill() {
  if (!ended()) process_.child().signal(SIGKILL);
}

void EngineRun::on_gate() {
  std::optional<Error> error;
  try {
    if (!process_.advance_start()) return listen_to_refusals();
  } catch (const Error& caught) {
    error = caught;
  }
  gate_watch_.reset();
  callbacks_.on_executing(error);
}

void EngineRun::listen_to_refusals() {
  UniqueFd listener = process_.take_listener();
  if (!listener) return;
  guard_.emplace(std::move(listener), filter_, [this](std::string_view line) { logs_.add_engine(line); });
  calls_watch_ = loop_.watch(guard_->fd(), POLLIN, [this](short) { on_call(); });
}

void EngineRun::on_call() {
  if (!guard_->answer()) calls_watch_.reset();
}

void EngineRun::forbid_execution() {
  if (guard_) guard_->forbid_execution();
}

void EngineRun::take_console(std::string_view text) {
  const ConsoleMarkers before = scanner_.markers();
  logs_.add_console(text);
  scanner_.feed(text);
  callbacks_.on_console(text);
  // Of a dead engine only its last words count, as a whole.
  if (!ending_ && scanner_.markers() != before) callbacks_.on_marker(scanner_.markers());
}

void EngineRun::on_process_end() {
  while (process_.starting()) on_gate();
  ending_ = true;
  for (auto* input : {&console_input_, &errors_input_, &log_input_}) (*input)->drain();
  logs_.end_gaps();
  unwatch_all();
  worker_.reset();  // its call can only fail now, and the next engine is cloned by a process of one thread
  status_ = process_.child().wait(Deadline::never());
  const auto on_ended = callbacks_.on_ended;
  on_ended(*status_);
}

}  // namespace knaller::monitor
