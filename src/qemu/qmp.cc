#include "qemu/qmp.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fd_passing.h"
#include "base/json.h"
#include "base/socket.h"

namespace knaller::qemu {
namespace {

constexpr size_t kLineLimit = 16 << 20;
constexpr auto kSpoiled = Code::kEngineDied;

}  // namespace

void Qmp::greet(const Deadline& deadline) {
  const Json greeting = next_message(deadline);
  const Json& version = JsonReader(JsonReader(JsonReader(greeting, "QEMU's greeting", kSpoiled).object("QMP"),
                                              "QEMU's greeting", kSpoiled)
                                       .object("version"),
                                   "QEMU's greeting", kSpoiled)
                            .object("qemu");
  const JsonReader numbers(version, "QEMU's version", kSpoiled);
  version_ = fmt::format("{}.{}.{}", numbers.integer("major", 0, 999), numbers.integer("minor", 0, 999),
                         numbers.integer("micro", 0, 999));
  execute("qmp_capabilities", Json::object(), deadline);
}

Json Qmp::execute(const std::string& command, const Json& arguments, const Deadline& deadline,
                  int passed_fd) {
  if (command == "migrate" || command == "migrate-incoming") migration_status_.clear();
  send(dump_json({{"execute", command}, {"arguments", arguments}}), passed_fd, deadline);
  for (;;) {
    const Json message = next_message(deadline);
    const JsonReader reader(message, "QEMU's answer", kSpoiled);
    if (reader.has("event")) {
      note_event(message);
    } else if (const Json* error = reader.find("error")) {
      fail(Code::kEngineRefused, "QEMU refused '{}': {}", command,
           JsonReader(*error, "QEMU's answer", kSpoiled).string_or("desc", "no reason given"));
    } else {
      return message.value("return", Json::object());
    }
  }
}

void Qmp::await_migration(const Deadline& deadline) {
  while (migration_status_ != "completed") {
    if (migration_status_ == "failed" || migration_status_ == "cancelled") {
      fail(Code::kEngineRefused, "QEMU could not transfer its state (migration {})", migration_status_);
    }
    const Json message = next_message(deadline);
    if (message.contains("event")) note_event(message);
  }
}

bool Qmp::drain() {
  for (;;) {
    // What was read behind the last answer lies in the buffer, where poll(2) does not see it.
    pollfd poll_fd = {socket_.get(), POLLIN, 0};
    if (buffer_.find('\n') == std::string::npos && ::poll(&poll_fd, 1, 0) <= 0) return true;
    try {
      const Json message = next_message(Deadline::after(std::chrono::seconds(1)));
      if (message.contains("event")) note_event(message);
    } catch (const Error& error) {
      return error.code() != Code::kEngineDied;
    }
  }
}

Json Qmp::next_message(const Deadline& deadline) {
  std::string line;
  if (!next_line(line, deadline)) fail(kSpoiled, "QEMU has ended");
  Json message = parse_json(line, "QEMU's message", kSpoiled);
  if (!message.is_object()) fail(kSpoiled, "QEMU sent something that is not a message");
  return message;
}

// An end in the middle of a line, or a line without an end, is that of QEMU: who took it for anything else
// would find the socket readable for ever.
bool Qmp::next_line(std::string& line, const Deadline& deadline) {
  try {
    return read_line(socket_.get(), buffer_, line, kLineLimit, deadline, "QEMU");
  } catch (const Error& error) {
    if (error.code() == Code::kTimeout || error.code() == Code::kCancelled) throw;
    fail(kSpoiled, "{}", error.message());
  }
}

void Qmp::note_event(const Json& event) {
  const JsonReader reader(event, "QEMU's event", kSpoiled);
  const std::string name = reader.string("event");
  const Json* data = reader.find("data");
  if (data == nullptr || !data->is_object()) return;
  const JsonReader details(*data, "QEMU's event", kSpoiled);
  if (name == "MIGRATION") migration_status_ = details.string_or("status", "");
  if (name == "SHUTDOWN") shutdown_reason_ = details.string_or("reason", "unknown");
}

void Qmp::send(const std::string& text, int passed_fd, const Deadline& deadline) {
  if (passed_fd < 0) return send_all(socket_.get(), text, deadline, "QEMU");
  wait_writable(socket_.get(), deadline, "QEMU");
  send_with_fds(socket_.get(), text.at(0), std::span(&passed_fd, 1), "QEMU");
  send_all(socket_.get(), text.substr(1), deadline, "QEMU");
}

}  // namespace knaller::qemu
