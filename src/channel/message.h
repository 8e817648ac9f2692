// What the frames between knaller and the agent in a guest say (docs/formats/agent.md): one struct for each
// payload, made into fields and back. Pure, and without exceptions.
//
// The numbers of tags, services and events are never changed and never used again: a later knaller speaks to
// the agent of every earlier snapshot.
#ifndef KNALLER_CHANNEL_MESSAGE_H_
#define KNALLER_CHANNEL_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "channel/flow.h"
#include "channel/frame.h"

namespace knaller::channel {

inline constexpr uint16_t kProtocol = 1;
// Of a kOpen, over all its frames: more than exec(2) takes.
inline constexpr size_t kMostOpen = 4 << 20;

// The first frame of each side. Nobody waits for the other's before going on.
struct Hello {
  uint16_t newest = kProtocol;  // versions of the protocol that this side speaks
  uint16_t oldest = 1;
  std::string program;  // its version, for people
  // Of knaller: which run of which VM this is. An agent that was told something else before is by now in a
  // clone, or in a VM that was rolled back.
  std::string vm;
  // Of knaller: what was begun in the VM that the clone comes from goes on.
  bool keep_sessions = false;
  // Of the agent: made up when it started; another one means that its sessions are gone.
  std::string run;
};
std::string encode(const Hello& hello);
bool decode(std::string_view payload, Hello& hello);

enum class Service : uint8_t {
  kExec = 1,  // run a program
  kAttach,    // go on with a session that was begun on another connection
  kConnect,   // the connection becomes one to a TCP port of the guest's
  kCopy,      // copy_message.h
  kList,      // which sessions there are
  kSignal,    // a signal for a session that another connection has, or none
};

struct WindowSize {
  uint16_t rows = 24;
  uint16_t columns = 80;
  bool operator==(const WindowSize&) const = default;
};

// A kOpen for Service::kExec.
struct ExecRequest {
  std::string session;  // chosen by the client, 16 random bytes; by it, others find it
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=VALUE", beside the user's own
  std::string user;                      // name or number; empty: root
  std::string group;                     // empty: the user's
  std::string directory;                 // empty: the user's home
  std::optional<WindowSize> terminal;
  bool detached = false;  // it outlives the connection
  // Not one of the guest's: the agent's own program gets these arguments, whatever the guest's root file
  // system has.
  bool own = false;
};
// A kOpen for Service::kAttach: what was received so far.
struct AttachRequest {
  std::string session;
  uint64_t output = 0;
  uint64_t error = 0;
  // Nothing was: it goes on with what is kept, and an event says where that is.
  bool anew = false;
};
// A kOpen for Service::kList. Answered by a kEntry for each session, and an end.
struct ListRequest {};
// A kOpen for Service::kSignal. Answered by an end.
struct SignalRequest {
  std::string session;
  int signal = 0;
};
// A kOpen for Service::kConnect. Answered by an event that says `started`, or an end; behind the event there
// are no more frames, and none behind this either: all bytes are the port's.
struct ConnectRequest {
  uint16_t port = 0;  // on the guest's own 127.0.0.1, or ::1
};
std::string encode(const ExecRequest& request);
std::string encode(const AttachRequest& request);
std::string encode(const ConnectRequest& request);
std::string encode(const ListRequest& request);
std::string encode(const SignalRequest& request);
// Which service a kOpen asks for, and what of it; nothing for one that is not understood.
std::optional<Service> service_of(std::string_view payload);
bool decode(std::string_view payload, ExecRequest& request);
bool decode(std::string_view payload, AttachRequest& request);
bool decode(std::string_view payload, ConnectRequest& request);
bool decode(std::string_view payload, SignalRequest& request);

// A kEvent; of the members, those that are set.
struct Event {
  std::optional<uint64_t> started;         // of the agent: the program's process
  std::optional<uint64_t> input_position;  // of the agent, after an attach: what it has received
  std::optional<int> signal;               // of knaller: for the program's process group
  std::optional<WindowSize> window;        // of knaller
  // Of the agent, after an attach anew: where the bytes of each output begin that come.
  std::optional<uint64_t> output_position;
  std::optional<uint64_t> error_position;
};
std::string encode(const Event& event);
bool decode(std::string_view payload, Event& event);

// A kEnd of a whole stream. Exactly one of the first three is set.
struct End {
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::optional<int> error;  // an errno: it could not be done
  std::string reason;        // what could not be done: "run /bin/nothing"
};
std::string encode(const End& end);
bool decode(std::string_view payload, End& end);

// The payload of a kCredit: up to which position the receiver takes bytes.
std::string encode_position(uint64_t position);
std::optional<uint64_t> decode_position(std::string_view payload);
// Appends the frame that tells the sender so, now or when that is due.
void append_limit(std::string& out, uint16_t stream, Channel channel, Receiver& receiver);
void append_limit_if_due(std::string& out, uint16_t stream, Channel channel, Receiver& receiver);

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_MESSAGE_H_
