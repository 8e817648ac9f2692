#include "entry/link.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/error.h"

namespace knaller::entry {
namespace {

using channel::Channel;
using channel::Frame;
using channel::Kind;

constexpr size_t kReadAtOnce = 64 << 10;

}  // namespace

void fail_of_agent(std::string_view what) {
  throw Error(Code::kIo, fmt::format("the agent in the guest {}", what));
}

void fail_of_engine() {
  throw Error(Code::kIo, "the VM has ended, or was rolled back");
}

Link::Link(WayIn way, const std::string& vm) : way_(std::move(way)) {
  const channel::Hello hello{.program = KNALLER_VERSION, .vm = vm};
  send({.kind = Kind::kHello, .channel = Channel::kWhole, .stream = 0, .payload = channel::encode(hello)});
}

void Link::open(uint16_t stream, std::string_view payload) {
  if (payload.size() > channel::kMostOpen)
    fail(Code::kInvalidArgument, "the command's arguments and environment are longer than {} MiB",
         channel::kMostOpen >> 20);
  do {
    const std::string_view part = payload.substr(0, channel::kMostPayload);
    payload.remove_prefix(part.size());
    send({.kind = Kind::kOpen,
          .channel = Channel::kWhole,
          .more = !payload.empty(),
          .stream = stream,
          .payload = part});
  } while (!payload.empty());
}

Link::PollEntries Link::poll_entries() const {
  return {pollfd{way_.socket.get(), static_cast<short>(out_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
          pollfd{way_.engine.get(), POLLIN, 0}};
}

void Link::move(std::span<const pollfd, 2> polled, const Take& take) {
  flush();
  const bool engine_ended = polled[1].revents != 0;
  if (!engine_ended && (polled[0].revents & ~POLLOUT) == 0) return;
  Read read = Read::kNothing;
  do {
    read = read_some();
    if (!take_all(take)) return;
    // What the guest said before its engine ended lies in the socket.
  } while (engine_ended && read == Read::kSome);
  has_ended_ = engine_ended || read == Read::kEnd;
  if (engine_ended) fail_of_engine();
  if (read == Read::kEnd)
    fail_of_agent(reader_.is_inside() ? "broke the connection off" : "ended the connection");
  flush();
}

bool Link::take_all(const Take& take) {
  while (const auto frame = reader_.next()) {
    if (!greeted_)
      take_hello(*frame);
    else if (!take(*frame))
      return false;
  }
  if (reader_.broken()) fail_of_agent("does not speak knaller's protocol");
  return true;
}

void Link::flush() {
  while (!out_.empty()) {
    const ssize_t sent = ::send(way_.socket.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    // What it said before it hung up is read first.
    if (sent < 0 && (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET)) return;
    if (sent < 0) fail_errno("write to the agent in the guest");
    out_.erase(0, static_cast<size_t>(sent));
  }
}

Link::Read Link::read_some() {
  std::array<char, kReadAtOnce> buffer;
  const ssize_t got = ::recv(way_.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Read::kNothing;
  if (got < 0 && errno != ECONNRESET) fail_errno("read from the agent in the guest");
  if (got <= 0) return Read::kEnd;
  reader_.feed({buffer.data(), static_cast<size_t>(got)});
  return Read::kSome;
}

void Link::take_hello(const Frame& frame) {
  channel::Hello hello;
  if (frame.kind != Kind::kHello || !channel::decode(frame.payload, hello))
    fail_of_agent("does not speak knaller's protocol");
  if (hello.oldest > channel::kProtocol)
    throw Error(Code::kUnsupported,
                "the agent in the guest is of a newer knaller, which no longer speaks to this one",
                "use the knaller that made the guest's image");
  greeted_ = true;
}

}  // namespace knaller::entry
