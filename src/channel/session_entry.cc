#include "channel/session_entry.h"

#include <climits>

#include "channel/tagged_fields.h"

namespace knaller::channel {
namespace {

enum class SessionTag : uint16_t {
  kSession = 1,
  kProcess,
  kUser,
  kStarted,
  kDetached,
  kAttached,
  kTerminal,
  kArgument,
  kExitCode,
  kSignal,
};

}  // namespace

std::string encode(const SessionEntry& entry) {
  TaggedWriter<SessionTag> writer;
  writer.text(SessionTag::kSession, entry.session);
  writer.number(SessionTag::kProcess, entry.process);
  writer.text(SessionTag::kUser, entry.user);
  writer.number(SessionTag::kStarted, entry.started);
  writer.flag(SessionTag::kDetached, entry.detached);
  writer.flag(SessionTag::kAttached, entry.attached);
  writer.flag(SessionTag::kTerminal, entry.terminal);
  writer.texts(SessionTag::kArgument, entry.arguments);
  writer.number(SessionTag::kExitCode, entry.exit_code);
  writer.number(SessionTag::kSignal, entry.signal);
  return writer.payload();
}

bool decode(std::string_view payload, SessionEntry& entry) {
  entry = {};
  const bool whole = read_all<SessionTag>(payload, [&entry](SessionTag tag, const Field& field) {
    switch (tag) {
      case SessionTag::kSession:
        return read(field, entry.session);
      case SessionTag::kProcess:
        return read(field, UINT64_MAX, entry.process);
      case SessionTag::kUser:
        return read(field, entry.user);
      case SessionTag::kStarted:
        return read(field, UINT64_MAX, entry.started);
      case SessionTag::kDetached:
        return read(field, entry.detached);
      case SessionTag::kAttached:
        return read(field, entry.attached);
      case SessionTag::kTerminal:
        return read(field, entry.terminal);
      case SessionTag::kArgument:
        return read(field, entry.arguments);
      case SessionTag::kExitCode:
        return read(field, INT_MAX, entry.exit_code);
      case SessionTag::kSignal:
        return read(field, INT_MAX, entry.signal);
    }
    return true;
  });
  return whole && !entry.session.empty();
}

}  // namespace knaller::channel
