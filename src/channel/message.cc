#include "channel/message.h"

#include <climits>

#include "channel/tagged_fields.h"

namespace knaller::channel {
namespace {

enum class HelloTag : uint16_t { kNewest = 1, kOldest, kProgram, kVm, kKeepSessions, kRun };
enum class OpenTag : uint16_t {
  kService = 1,
  kSession,
  kArgument,
  kEnvironment,
  kUser,
  kGroup,
  kDirectory,
  kRows,
  kColumns,
  kDetached,
  kOutput,
  kError,
  kOwn,
  kPort,
  // 15 to 22 are copy_message.cc's.
  kAnew = 23,
  kSignal,
};
enum class EventTag : uint16_t {
  kStarted = 1,
  kInputPosition,
  kSignal,
  kRows,
  kColumns,
  kOutputPosition,
  kErrorPosition,
};
enum class EndTag : uint16_t { kExitCode = 1, kSignal, kError, kReason };

}  // namespace

std::string encode(const Hello& hello) {
  TaggedWriter<HelloTag> writer;
  writer.number(HelloTag::kNewest, hello.newest);
  writer.number(HelloTag::kOldest, hello.oldest);
  writer.text(HelloTag::kProgram, hello.program);
  writer.text(HelloTag::kVm, hello.vm);
  writer.flag(HelloTag::kKeepSessions, hello.keep_sessions);
  writer.text(HelloTag::kRun, hello.run);
  return writer.payload();
}

bool decode(std::string_view payload, Hello& hello) {
  hello = {};
  hello.newest = hello.oldest = 0;
  const bool whole = read_all<HelloTag>(payload, [&hello](HelloTag tag, const Field& field) {
    switch (tag) {
      case HelloTag::kNewest:
        return read(field, UINT16_MAX, hello.newest);
      case HelloTag::kOldest:
        return read(field, UINT16_MAX, hello.oldest);
      case HelloTag::kProgram:
        return read(field, hello.program);
      case HelloTag::kVm:
        return read(field, hello.vm);
      case HelloTag::kKeepSessions:
        return read(field, hello.keep_sessions);
      case HelloTag::kRun:
        return read(field, hello.run);
    }
    return true;
  });
  return whole && hello.oldest > 0 && hello.oldest <= hello.newest;
}

std::string encode(const ExecRequest& request) {
  TaggedWriter<OpenTag> writer;
  writer.number(OpenTag::kService, static_cast<uint64_t>(Service::kExec));
  writer.text(OpenTag::kSession, request.session);
  writer.texts(OpenTag::kArgument, request.arguments);
  writer.texts(OpenTag::kEnvironment, request.environment);
  writer.text(OpenTag::kUser, request.user);
  writer.text(OpenTag::kGroup, request.group);
  writer.text(OpenTag::kDirectory, request.directory);
  if (request.terminal) {
    writer.number(OpenTag::kRows, request.terminal->rows);
    writer.number(OpenTag::kColumns, request.terminal->columns);
  }
  writer.flag(OpenTag::kDetached, request.detached);
  writer.flag(OpenTag::kOwn, request.own);
  return writer.payload();
}

std::string encode(const AttachRequest& request) {
  TaggedWriter<OpenTag> writer;
  writer.number(OpenTag::kService, static_cast<uint64_t>(Service::kAttach));
  writer.text(OpenTag::kSession, request.session);
  writer.number(OpenTag::kOutput, request.output);
  writer.number(OpenTag::kError, request.error);
  writer.flag(OpenTag::kAnew, request.anew);
  return writer.payload();
}

std::string encode(const ListRequest&) {
  TaggedWriter<OpenTag> writer;
  writer.number(OpenTag::kService, static_cast<uint64_t>(Service::kList));
  return writer.payload();
}

std::string encode(const SignalRequest& request) {
  TaggedWriter<OpenTag> writer;
  writer.number(OpenTag::kService, static_cast<uint64_t>(Service::kSignal));
  writer.text(OpenTag::kSession, request.session);
  writer.number(OpenTag::kSignal, static_cast<uint64_t>(request.signal));
  return writer.payload();
}

std::string encode(const ConnectRequest& request) {
  TaggedWriter<OpenTag> writer;
  writer.number(OpenTag::kService, static_cast<uint64_t>(Service::kConnect));
  writer.number(OpenTag::kPort, request.port);
  return writer.payload();
}

std::optional<Service> service_of(std::string_view payload) {
  std::optional<Service> service;
  const bool whole = read_all<OpenTag>(payload, [&service](OpenTag tag, const Field& field) {
    return tag != OpenTag::kService || read(field, UINT8_MAX, service);
  });
  return whole ? service : std::nullopt;
}

bool decode(std::string_view payload, ExecRequest& request) {
  request = {};
  const auto terminal = [&request]() -> WindowSize& {
    if (!request.terminal) request.terminal.emplace();
    return *request.terminal;
  };
  const bool whole = read_all<OpenTag>(payload, [&](OpenTag tag, const Field& field) {
    switch (tag) {
      case OpenTag::kSession:
        return read(field, request.session);
      case OpenTag::kArgument:
        return read(field, request.arguments);
      case OpenTag::kEnvironment:
        return read(field, request.environment);
      case OpenTag::kUser:
        return read(field, request.user);
      case OpenTag::kGroup:
        return read(field, request.group);
      case OpenTag::kDirectory:
        return read(field, request.directory);
      case OpenTag::kRows:
        return read(field, UINT16_MAX, terminal().rows);
      case OpenTag::kColumns:
        return read(field, UINT16_MAX, terminal().columns);
      case OpenTag::kDetached:
        return read(field, request.detached);
      case OpenTag::kOwn:
        return read(field, request.own);
      case OpenTag::kService:
      case OpenTag::kOutput:
      case OpenTag::kError:
      case OpenTag::kPort:
      case OpenTag::kAnew:
      case OpenTag::kSignal:
        return true;
    }
    return true;
  });
  return whole && !request.session.empty() && !request.arguments.empty();
}

bool decode(std::string_view payload, AttachRequest& request) {
  request = {};
  const bool whole = read_all<OpenTag>(payload, [&request](OpenTag tag, const Field& field) {
    if (tag == OpenTag::kSession) return read(field, request.session);
    if (tag == OpenTag::kOutput) return read(field, UINT64_MAX, request.output);
    if (tag == OpenTag::kError) return read(field, UINT64_MAX, request.error);
    if (tag == OpenTag::kAnew) return read(field, request.anew);
    return true;
  });
  return whole && !request.session.empty();
}

bool decode(std::string_view payload, ConnectRequest& request) {
  request = {};
  const bool whole = read_all<OpenTag>(payload, [&request](OpenTag tag, const Field& field) {
    return tag != OpenTag::kPort || read(field, UINT16_MAX, request.port);
  });
  return whole && request.port != 0;
}

bool decode(std::string_view payload, SignalRequest& request) {
  request = {};
  const bool whole = read_all<OpenTag>(payload, [&request](OpenTag tag, const Field& field) {
    if (tag == OpenTag::kSession) return read(field, request.session);
    return tag != OpenTag::kSignal || read(field, INT_MAX, request.signal);
  });
  return whole && !request.session.empty() && request.signal > 0;
}

std::string encode(const Event& event) {
  TaggedWriter<EventTag> writer;
  writer.number(EventTag::kStarted, event.started);
  writer.number(EventTag::kInputPosition, event.input_position);
  writer.number(EventTag::kSignal, event.signal);
  if (event.window) {
    writer.number(EventTag::kRows, event.window->rows);
    writer.number(EventTag::kColumns, event.window->columns);
  }
  writer.number(EventTag::kOutputPosition, event.output_position);
  writer.number(EventTag::kErrorPosition, event.error_position);
  return writer.payload();
}

bool decode(std::string_view payload, Event& event) {
  event = {};
  const auto window = [&event]() -> WindowSize& {
    if (!event.window) event.window.emplace();
    return *event.window;
  };
  return read_all<EventTag>(payload, [&](EventTag tag, const Field& field) {
    switch (tag) {
      case EventTag::kStarted:
        return read(field, UINT64_MAX, event.started);
      case EventTag::kInputPosition:
        return read(field, UINT64_MAX, event.input_position);
      case EventTag::kSignal:
        return read(field, INT_MAX, event.signal);
      case EventTag::kRows:
        return read(field, UINT16_MAX, window().rows);
      case EventTag::kColumns:
        return read(field, UINT16_MAX, window().columns);
      case EventTag::kOutputPosition:
        return read(field, UINT64_MAX, event.output_position);
      case EventTag::kErrorPosition:
        return read(field, UINT64_MAX, event.error_position);
    }
    return true;
  });
}

std::string encode(const End& end) {
  TaggedWriter<EndTag> writer;
  writer.number(EndTag::kExitCode, end.exit_code);
  writer.number(EndTag::kSignal, end.signal);
  writer.number(EndTag::kError, end.error);
  writer.text(EndTag::kReason, end.reason);
  return writer.payload();
}

bool decode(std::string_view payload, End& end) {
  end = {};
  const bool whole = read_all<EndTag>(payload, [&end](EndTag tag, const Field& field) {
    switch (tag) {
      case EndTag::kExitCode:
        return read(field, INT_MAX, end.exit_code);
      case EndTag::kSignal:
        return read(field, INT_MAX, end.signal);
      case EndTag::kError:
        return read(field, INT_MAX, end.error);
      case EndTag::kReason:
        return read(field, end.reason);
    }
    return true;
  });
  return whole && end.exit_code.has_value() + end.signal.has_value() + end.error.has_value() == 1;
}

std::string encode_position(uint64_t position) {
  std::string payload;
  for (size_t i = 0; i < sizeof position; ++i) payload.push_back(static_cast<char>(position >> (8 * i)));
  return payload;
}

std::optional<uint64_t> decode_position(std::string_view payload) {
  if (payload.size() != sizeof(uint64_t)) return std::nullopt;
  return Field{0, payload}.number();
}

void append_limit_if_due(std::string& out, uint16_t stream, Channel channel, Receiver& receiver) {
  if (receiver.is_due()) append_limit(out, stream, channel, receiver);
}

void append_limit(std::string& out, uint16_t stream, Channel channel, Receiver& receiver) {
  append(out, {.kind = Kind::kCredit,
               .channel = channel,
               .stream = stream,
               .payload = encode_position(receiver.limit())});
  receiver.told();
}

}  // namespace knaller::channel
