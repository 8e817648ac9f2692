#include "monitor/client.h"

#include <fcntl.h>

#include <algorithm>

#include "base/fd_passing.h"
#include "base/file.h"
#include "base/json.h"
#include "base/socket.h"
#include "base/text.h"
#include "monitor/alive.h"
#include "monitor/life_view.h"
#include "store/fields.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

constexpr char kPeer[] = "the VM's monitor";
constexpr size_t kAnswerLimit = 1 << 20;
constexpr std::chrono::seconds kEndingTime{2};

// A monitor may have hung up already: what it said before is the answer.
void ask(int socket, Json request, const Deadline& deadline) {
  request["v"] = 1;
  send_request(socket, dump_json(request) + "\n", deadline, kPeer);
}

// An answer that says no is thrown as the error that it carries.
Json read_answer(int socket, std::string& buffer, const Deadline& deadline) {
  std::string line;
  if (!read_line(socket, buffer, line, kAnswerLimit, deadline, kPeer)) {
    throw Error(Code::kEngineDied, "the VM's monitor has ended");
  }
  Json answer = parse_json(line, "the monitor's answer", Code::kInternal);
  const JsonReader reader(answer, "the monitor's answer", Code::kInternal);
  if (!reader.boolean_or("ok", false)) throw error_from_json(reader.object("error"));
  return answer;
}

// A monitor outlives the program that started it: it may be of another version.
RunState run_state_in(const JsonReader& reader) {
  const std::string text = reader.string("state");
  if (const auto state = run_state_from_text(text)) return *state;
  throw Error(Code::kUnsupported,
              fmt::format("the VM's monitor says that it is '{}', a state that this knaller does not know",
                          printable(text.substr(0, 80))),
              "use the knaller that started the VM");
}

ExitRecord ask_for_end(int vm_directory, const Json& question, const Deadline& deadline) {
  const UniqueFd socket = connect_unix(vm_directory, layout::kMonitorSocket, deadline);
  ask(socket.get(), question, deadline);
  std::string buffer;
  const Json answer = read_answer(socket.get(), buffer, deadline);
  return exit_record_from_json(JsonReader(answer, "the monitor's answer", Code::kInternal).object("exit"));
}

// What ended VMs leave tells the same as their monitors would have.
ExitRecord left_behind(int vm_directory) {
  if (auto record = read_exit_record(vm_directory)) return std::move(*record);
  return {.state = EndState::kCrashed, .reason = kKilledReason};
}

// A monitor that was ending already has closed its socket or left the question unread (kIo: its end reset the
// connection).
ExitRecord await_end(int vm_directory, const Json& question, const Deadline& deadline) {
  try {
    return ask_for_end(vm_directory, question, deadline);
  } catch (const Error& error) {
    const bool gone =
        error.code() == Code::kEngineDied || error.code() == Code::kNotFound || error.code() == Code::kIo;
    if (!gone || !wait_until_dead(vm_directory, deadline.sooner(kEndingTime))) throw;
    return left_behind(vm_directory);
  }
}

std::optional<VmStats::Snapshot> snapshot_from_json(const JsonReader& reader) {
  if (!reader.has("last_snapshot")) return {};
  const JsonReader snapshot(reader.object("last_snapshot"), "the monitor's answer", Code::kInternal);
  return VmStats::Snapshot{
      .at = parse_time(snapshot.string("at")).value_or(SystemTime{}),
      .paused = std::chrono::microseconds(snapshot.integer("paused_us", 0, INT64_MAX)),
      .duration = std::chrono::microseconds(snapshot.integer("duration_us", 0, INT64_MAX))};
}

MonitorStats stats_from_json(const Json& answer) {
  const JsonReader reader(answer, "the monitor's answer", Code::kInternal);
  return {.told = true,
          .monitor_pid = static_cast<pid_t>(reader.integer("monitor_pid", 0, INT32_MAX)),
          .engine_pid = static_cast<pid_t>(reader.integer("engine_pid", 0, INT32_MAX)),
          .since = parse_time(reader.string("since")).value_or(SystemTime{}),
          .reboots = static_cast<uint64_t>(reader.integer("reboots", 0, INT32_MAX)),
          .last_snapshot = snapshot_from_json(reader)};
}

}  // namespace

MonitorClient MonitorClient::connect(int vm_directory, const Deadline& deadline) {
  UniqueFd directory = open_at(vm_directory, ".", O_PATH | O_DIRECTORY);
  UniqueFd socket = connect_unix(directory.get(), layout::kMonitorSocket, deadline);
  return MonitorClient(std::move(directory), std::move(socket));
}

Status MonitorClient::status(const Deadline& deadline) {
  ask_status();
  return take_status(deadline);
}

// So little always fits.
void MonitorClient::ask_status() {
  ask(socket_.get(), {{"op", to_text(life::Op::kStatus)}}, Deadline::after(std::chrono::seconds(0)));
}

Status MonitorClient::take_status(const Deadline& deadline) {
  const Json answer = read_answer(socket_.get(), buffer_, deadline);
  const JsonReader reader(answer, "the monitor's answer", Code::kInternal);
  Status status;
  status.state = run_state_in(reader);
  status.reason = reader.string_or("reason", "");
  status.monitor_pid = static_cast<pid_t>(reader.integer("monitor_pid", 0, INT32_MAX));
  status.engine_pid = static_cast<pid_t>(reader.integer("engine_pid", 0, INT32_MAX));
  status.since = parse_time(reader.string("since")).value_or(std::chrono::system_clock::time_point{});
  status.network = reader.string_or("network", "none");
  status.network_reason = reader.string_or("network_reason", "");
  status.ports = store::ports_from_json(reader.array("ports"), "the monitor's answer");
  if (reader.has("egress"))
    status.egress = store::egress_from_json(reader.object("egress"), "the monitor's answer");
  status.reboots = static_cast<int>(reader.integer_or("reboots", 0, 0, INT32_MAX));
  status.lease = reader.string_or("lease", "");
  status.tied = reader.boolean_or("tied", false);
  status.control_group = reader.string_or("control_group", "");
  if (!status.control_group.empty()) status.usage = usage_from_json(reader.object("usage"));
  return status;
}

void MonitorClient::ask_stats() {
  ask(socket_.get(), {{"op", to_text(life::Op::kStats)}}, Deadline::after(std::chrono::seconds(0)));
}

MonitorStats MonitorClient::take_stats(const Deadline& deadline) {
  try {
    return stats_from_json(read_answer(socket_.get(), buffer_, deadline));
  } catch (const Error& error) {
    if (error.code() != Code::kUnsupported) throw;
  }
  const Status status = this->status(deadline);
  return {.told = false,
          .monitor_pid = status.monitor_pid,
          .engine_pid = status.engine_pid,
          .since = status.since,
          .reboots = static_cast<uint64_t>(status.reboots),
          .last_snapshot = {}};
}

void MonitorClient::set(const RunningChange& change, const Deadline& deadline) {
  Json request = running_change_to_json(change);
  request["op"] = to_text(life::Op::kSet);
  ask(socket_.get(), request, deadline);
  read_answer(socket_.get(), buffer_, deadline);
}

entry::WayIn MonitorClient::enter(const Deadline& deadline) {
  ask(socket_.get(), {{"op", to_text(life::Op::kEnter)}}, deadline);
  std::vector<UniqueFd> descriptors;
  while (buffer_.find('\n') == std::string::npos) {
    wait_readable(socket_.get(), deadline, kPeer);
    if (!receive_some_with_fds(socket_.get(), buffer_, descriptors, kPeer)) break;
  }
  read_answer(socket_.get(), buffer_, deadline);
  if (descriptors.size() != 2) fail(Code::kInternal, "the VM's monitor gave no way into its guest");
  return {.socket = std::move(descriptors[0]), .engine = std::move(descriptors[1])};
}

// On a connection of its own, whose life is the lease's.
Lease MonitorClient::lease(const std::string& verb, const Deadline& deadline,
                           const std::function<void(const std::string& holder)>& on_wait) {
  Lease lease(connect_unix(directory_.get(), layout::kMonitorSocket, deadline));
  ask(lease.socket_.get(), {{"op", to_text(life::Op::kLease)}, {"verb", verb}}, deadline);
  std::string holder;
  while (true) {
    try {
      const Json answer = read_answer(lease.socket_.get(), lease.buffer_, deadline);
      const JsonReader reader(answer, "the monitor's answer", Code::kInternal);
      holder = reader.string_or("waiting", "");
      if (holder.empty()) {
        lease.was_paused_ = reader.boolean_or("was_paused", false);
        lease.was_paused_for_ = std::chrono::microseconds(reader.integer_or("paused_us", 0, 0, INT64_MAX));
        return lease;
      }
    } catch (const Error& error) {
      if (error.code() != Code::kTimeout || holder.empty()) throw;
      throw Error(Code::kBusy, fmt::format("the VM is in use by {}", holder),
                  "wait until that command has ended, and try again");
    }
    if (on_wait) on_wait(holder);
  }
}

ExitRecord MonitorClient::stop(int vm_directory, std::chrono::milliseconds timeout, bool force,
                               const Deadline& deadline) {
  const auto timeout_ms = std::max<int64_t>(timeout.count(), 0);
  return await_end(vm_directory,
                   {{"op", to_text(life::Op::kStop)}, {"timeout_ms", timeout_ms}, {"force", force}},
                   deadline);
}

ExitRecord MonitorClient::wait(int vm_directory, const Deadline& deadline) {
  return await_end(vm_directory, {{"op", to_text(life::Op::kWait)}}, deadline);
}

Json Lease::call(life::Op op, const Deadline& deadline) {
  ask(socket_.get(), {{"op", to_text(op)}}, deadline);
  return read_answer(socket_.get(), buffer_, deadline);
}

void Lease::pause(const Deadline& deadline) {
  call(life::Op::kPause, deadline);
}

void Lease::resume(const Deadline& deadline) {
  call(life::Op::kResume, deadline);
}

void Lease::release(const Deadline& deadline) {
  call(life::Op::kRelease, deadline);
  socket_.reset();
}

void Lease::leave_paused(const Deadline& deadline) {
  call(life::Op::kLeavePaused, deadline);
  socket_.reset();
}

}  // namespace knaller::monitor
