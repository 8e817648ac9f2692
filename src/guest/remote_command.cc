#include "guest/remote_command.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "guest/session_impl.h"

namespace knaller::guest {
namespace {

constexpr size_t kMostErrorOutput = 16 << 10;
// Of output that comes while we write, or when we have read what we wanted; no command of ours says more.
constexpr size_t kMostUnasked = 16 << 20;
// Looking for more takes in what has arrived, so a guest that never stops sending would keep us here past the
// deadline.
constexpr int kPiecesATurn = 8;

}  // namespace

RemoteCommand::RemoteCommand(Session& session, const std::string& command_line, const Deadline& deadline)
    : channel_(session.impl().link, deadline), deadline_(deadline), poller_(deadline.stop()) {
  channel_.execute(command_line, deadline);
}

bool RemoteCommand::write(std::string_view data) {
  while (true) {
    channel_.pump();
    keep_output();
    keep_error_output();
    data.remove_prefix(channel_.write_some(data));
    if (data.empty()) return true;
    if (channel_.ended()) return false;
    turn();
  }
}

void RemoteCommand::close_input() {
  channel_.send_eof();
}

size_t RemoteCommand::read(char* buffer, size_t size) {
  if (!output_.empty()) {
    const size_t got = std::min(size, output_.size());
    std::memcpy(buffer, output_.data(), got);
    output_.erase(0, got);
    return got;
  }
  while (true) {
    keep_error_output();
    if (const size_t got = channel_.read_some(Stream::kOutput, buffer, size)) return got;
    if (channel_.ended()) return 0;
    channel_.pump();
    keep_error_output();
    if (const size_t got = channel_.read_some(Stream::kOutput, buffer, size)) return got;
    if (!channel_.ended()) turn();
  }
}

ExecResult RemoteCommand::finish() {
  std::array<char, 16384> dropped;
  size_t total = 0;
  while (const size_t got = read(dropped.data(), dropped.size())) {
    total += got;
    if (total > kMostUnasked) fail(Code::kIo, "a command in the guest writes without end");
  }
  keep_error_output();
  return channel_.result();
}

void RemoteCommand::turn() {
  std::array<pollfd, 1> entries{channel_.link().poll_entry()};
  poller_.wait(entries, deadline_);
  deadline_.check("a command in the guest");
}

void RemoteCommand::keep_error_output() {
  std::array<char, 4096> buffer;
  for (int piece = 0; piece < kPiecesATurn; ++piece)
    error_output_.append(buffer.data(), channel_.read_some(Stream::kError, buffer.data(), buffer.size()));
  if (error_output_.size() > kMostErrorOutput)
    error_output_.erase(0, error_output_.size() - kMostErrorOutput);
}

void RemoteCommand::keep_output() {
  std::array<char, 4096> buffer;
  for (int piece = 0; piece < kPiecesATurn; ++piece)
    output_.append(buffer.data(), channel_.read_some(Stream::kOutput, buffer.data(), buffer.size()));
  if (output_.size() > kMostUnasked) fail(Code::kIo, "a command in the guest answers without end");
}

}  // namespace knaller::guest
