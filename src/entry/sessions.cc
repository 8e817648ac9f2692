#include "entry/sessions.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "channel/session_entry.h"
#include "entry/talk.h"

namespace knaller::entry {
namespace {

constexpr size_t kMostSessions = 4096;
constexpr size_t kSessionBytes = 16;

SessionInfo info_of(const channel::SessionEntry& entry) {
  SessionInfo info{.id = session_text(entry.session),
                   .process = static_cast<int>(std::min<uint64_t>(entry.process, INT_MAX)),
                   .user = entry.user,
                   .started_at = SystemTime(std::chrono::seconds(
                       std::min<uint64_t>(entry.started, static_cast<uint64_t>(UINT32_MAX)))),
                   .argv = entry.arguments,
                   .detached = entry.detached,
                   .attached = entry.attached,
                   .tty = entry.terminal,
                   .running = !entry.exit_code && !entry.signal};
  info.result = {.exit_code = entry.exit_code.value_or(0) & 0xff, .signal = entry.signal.value_or(0)};
  return info;
}

}  // namespace

std::vector<SessionInfo> list_sessions(Link& link, const Deadline& deadline) {
  link.open(kOnlyStream, channel::encode(channel::ListRequest{}));
  std::vector<SessionInfo> sessions;
  talk(link, deadline, [&sessions](const channel::Frame& frame) {
    if (frame.kind != channel::Kind::kEntry) return true;
    channel::SessionEntry entry;
    if (!channel::decode(frame.payload, entry) || entry.session.size() != kSessionBytes ||
        sessions.size() >= kMostSessions)
      fail_of_agent("lists what means nothing");
    sessions.push_back(info_of(entry));
    return true;
  });
  std::sort(sessions.begin(), sessions.end(), [](const SessionInfo& a, const SessionInfo& b) {
    return std::tie(a.started_at, a.process) < std::tie(b.started_at, b.process);
  });
  return sessions;
}

void signal_session(Link& link, const std::string& session, int signal, const Deadline& deadline) {
  link.open(kOnlyStream, channel::encode(channel::SignalRequest{.session = session, .signal = signal}));
  talk(link, deadline, [](const channel::Frame&) { return true; });
}

std::string session_text(const std::string& session) {
  return hex(session);
}

std::string session_bytes(const std::string& text) {
  std::string bytes;
  for (size_t at = 0; at + 2 <= text.size(); at += 2) {
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(&text[at], &text[at] + 2, byte, 16);
    if (error != std::errc() || end != &text[at] + 2) break;
    bytes += static_cast<char>(byte);
  }
  if (text.size() != 2 * kSessionBytes || bytes.size() != kSessionBytes)
    fail(Code::kInvalidArgument, "'{}' is not the id of a command in a guest", printable(text));
  return bytes;
}

}  // namespace knaller::entry
