#include "monitor/launch.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/enum_text.h"
#include "base/json.h"
#include "base/kernel_calls.h"
#include "base/process.h"
#include "base/socket.h"
#include "base/text.h"
#include "monitor/console.h"
#include "monitor/handover_words.h"

namespace knaller::monitor {
namespace {

constexpr size_t kLaunchLineLimit = 4 << 20;
constexpr size_t kMostQueued = 256;
constexpr std::chrono::seconds kUndoTime{10};
constexpr std::chrono::seconds kForkTime{10};
constexpr char kPeer[] = "the VM's monitor";

// Not the caller's environment: it would stay readable in /proc for as long as the VM lives.
Child spawn_monitor(const std::string& binary, const std::string& name, int socket) {
  return spawn(
      {.argv = {binary, name},
       .environment =
           std::vector<std::string>{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
       .working_directory = "/",
       .descriptors = {{socket, 3}},
       .outlive_parent = true});
}

[[noreturn]] void fail_gone() {
  throw Error(Code::kEngineDied, "the VM's monitor ended unexpectedly");
}

}  // namespace

Launch::Launch(const std::string& monitor_binary, const std::string& name) {
  require_kernel_calls();
  auto [ours, theirs] = make_socket_pair();
  first_ = spawn_monitor(monitor_binary, name, theirs.get());
  socket_ = std::move(ours);
}

// The process that we spawned forks and ends at once; its child is the monitor.
void Launch::await_monitor(const Deadline& deadline) {
  if (!first_) return;
  const auto status = first_.wait(deadline.sooner(kForkTime));
  if (!status) fail(Code::kTimeout, "the VM's monitor did not start");
  if (status->success()) return;
  Json message;
  if (read_message(message, deadline.sooner(kForkTime)) && message.contains("error"))
    throw error_from_json(message["error"]);
  fail(Code::kEngineDied, "the VM's monitor could not start: {}", status->describe());
}

void Launch::begin(const LaunchSpec& spec, const Deadline& deadline, const PhaseSink& on_phase) {
  const auto began = std::chrono::steady_clock::now();
  await_monitor(deadline);  // first: to one that could not start, sending fails with a worse reason
  send_all(socket_.get(),
           dump_json({{"v", 1}, {"op", to_text(LauncherOp::kLaunch)}, {"spec", spec_to_json(spec)}}) + "\n",
           deadline, kPeer);
  if (on_phase) {
    const auto took = std::chrono::steady_clock::now() - began;
    on_phase("monitor", std::chrono::duration_cast<std::chrono::microseconds>(took));
  }
  std::string last_step = "monitor";
  const auto note_phase = [&](std::string_view phase, std::chrono::microseconds duration) {
    last_step = phase;
    if (on_phase) on_phase(phase, duration);
  };
  try {
    await_started(deadline, note_phase);
  } catch (const Error& error) {
    if (error.code() != Code::kTimeout || !deadline.expired()) throw;
    throw Error(Code::kTimeout, fmt::format("the start did not get beyond its step '{}' in time", last_step),
                console_hint());
  }
}

Launch::Launch(Launch&& other) noexcept = default;

Launch& Launch::operator=(Launch&& other) noexcept {
  if (this == &other) return *this;
  undo();
  first_ = std::move(other.first_);
  socket_ = std::move(other.socket_);
  buffer_ = std::move(other.buffer_);
  events_ = std::move(other.events_);
  network_ = std::move(other.network_);
  monitor_pid_ = other.monitor_pid_;
  engine_pid_ = other.engine_pid_;
  committed_ = other.committed_;
  return *this;
}

Launch::~Launch() {
  undo();
}

// The monitor sees our end of file, undoes everything, and shows that by its own.
void Launch::undo() noexcept {
  if (!socket_ || committed_) return;
  first_.kill_and_reap();  // one that has not forked yet need not
  try {
    ::shutdown(socket_.get(), SHUT_WR);
    const Deadline deadline = Deadline::after(kUndoTime);
    Json message;
    while (!deadline.expired() && read_message(message, deadline)) {
    }
  } catch (const std::exception&) {
    // A monitor that takes longer goes on by itself.
  }
  socket_.reset();
}

bool Launch::read_message(Json& message, const Deadline& deadline) {
  std::string line;
  if (!read_line(socket_.get(), buffer_, line, kLaunchLineLimit, deadline, kPeer)) return false;
  message = parse_json(line, "the monitor's message", Code::kInternal);
  if (!message.is_object()) fail(Code::kInternal, "the monitor's message is not an object");
  return true;
}

namespace {

// Nothing for an event of a newer monitor, which can be done without. An error is thrown.
std::optional<HandoverEvent> event_in(const JsonReader& reader) {
  const auto event = enum_from_text<HandoverEvent>(reader.string("event"));
  if (event == HandoverEvent::kError) throw error_from_json(reader.object("error"));
  return event;
}

}  // namespace

void Launch::await_started(const Deadline& deadline, const PhaseSink& on_phase) {
  Json message;
  while (read_message(message, deadline)) {
    const JsonReader reader(message, "the monitor's message", Code::kInternal);
    const auto event = event_in(reader);
    if (event == HandoverEvent::kPhase) {
      if (on_phase)
        on_phase(reader.string("phase"), std::chrono::microseconds(reader.integer("us", 0, INT64_MAX)));
    } else if (event == HandoverEvent::kStarted) {
      monitor_pid_ = static_cast<pid_t>(reader.integer("monitor_pid", 1, INT32_MAX));
      engine_pid_ = static_cast<pid_t>(reader.integer("engine_pid", 1, INT32_MAX));
      if (reader.has("network")) network_ = plan_from_json(reader.object("network"));
      return;
    } else {
      queue_event(message);
    }
    deadline.check(kPeer);  // an engine may write faster than we read: then there is always something
  }
  fail_gone();
}

// The console that nobody has asked for yet.
std::string Launch::console_hint() const {
  Tail tail;
  for (const auto& event : events_) {
    if (event.kind == LaunchEvent::Kind::kConsole) tail.feed(event.text);
  }
  const std::string lines = tail.lines(20);
  return lines.empty() ? "the guest's console is empty" : "last lines of the guest's console:\n" + lines;
}

void Launch::queue_event(const Json& message) {
  const JsonReader reader(message, "the monitor's message", Code::kInternal);
  const auto event = enum_from_text<HandoverEvent>(reader.string("event"));
  if (!event) return;
  LaunchEvent queued;
  queued.text = reader.string_or("text", "");
  switch (*event) {
    case HandoverEvent::kConsole:
      queued.kind = LaunchEvent::Kind::kConsole;
      break;
    case HandoverEvent::kReady:
      queued.kind = LaunchEvent::Kind::kReady;
      break;
    case HandoverEvent::kReboot:
      queued.kind = LaunchEvent::Kind::kReboot;
      break;
    case HandoverEvent::kNote:
      queued.kind = LaunchEvent::Kind::kNote;
      break;
    case HandoverEvent::kEnded:
      queued.kind = LaunchEvent::Kind::kEnded;
      queued.exit = exit_record_from_json(reader.object("exit"));
      break;
    case HandoverEvent::kPhase:
    case HandoverEvent::kStarted:
    case HandoverEvent::kCommitted:
    case HandoverEvent::kUntied:
    case HandoverEvent::kError:
      return;
  }
  // Of a console that nobody looks at yet, the last is enough.
  if (queued.kind == LaunchEvent::Kind::kConsole && events_.size() >= kMostQueued) {
    const auto first = std::find_if(events_.begin(), events_.end(), [](const LaunchEvent& old) {
      return old.kind == LaunchEvent::Kind::kConsole;
    });
    if (first != events_.end()) events_.erase(first);
  }
  events_.push_back(std::move(queued));
}

std::optional<LaunchEvent> Launch::next_event(const Deadline& deadline) {
  while (events_.empty()) {
    if (buffer_.find('\n') == std::string::npos && poll_until(socket_.get(), POLLIN, deadline) == 0) {
      return std::nullopt;
    }
    Json message;
    try {
      if (!read_message(message, deadline)) fail_gone();
    } catch (const Error& error) {
      // Of a message that has only begun, nothing is lost.
      if (error.code() != Code::kTimeout || !deadline.expired()) throw;
      return std::nullopt;
    }
    queue_event(message);
  }
  LaunchEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void Launch::commit(const Deadline& deadline) {
  send_all(socket_.get(), dump_json({{"v", 1}, {"op", to_text(LauncherOp::kCommit)}}) + "\n", deadline,
           kPeer);
  Json message;
  while (read_message(message, deadline)) {
    const JsonReader reader(message, "the monitor's message", Code::kInternal);
    if (event_in(reader) == HandoverEvent::kCommitted) {
      committed_ = true;
      return;
    }
    queue_event(message);
    deadline.check(kPeer);
  }
  fail_gone();
}

UniqueFd Launch::take_tie() {
  if (!committed_) fail(Code::kInternal, "a tie is taken after the commit");
  return std::move(socket_);
}

void release_tie(int tie_fd, const Deadline& deadline) {
  send_all(tie_fd, dump_json({{"v", 1}, {"op", to_text(LauncherOp::kUntie)}}) + "\n", deadline, kPeer);
  std::string buffer;
  std::string line;
  while (read_line(tie_fd, buffer, line, kLaunchLineLimit, deadline, kPeer)) {
    const Json message = parse_json(line, "the monitor's message", Code::kInternal);
    const JsonReader reader(message, "the monitor's message", Code::kInternal);
    if (event_in(reader) == HandoverEvent::kUntied) return;
  }
  fail_gone();
}

}  // namespace knaller::monitor
