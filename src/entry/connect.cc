#include "entry/connect.h"

#include <fcntl.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/fd.h"
#include "base/poller.h"
#include "base/text.h"
#include "channel/pump.h"
#include "entry/talk.h"

namespace knaller::entry {
namespace {

using channel::Frame;
using channel::Kind;
using channel::Pump;

// The caller's other side is not there any more, which is no failure of the connection.
bool is_gone(int error) {
  return error == EPIPE || error == ECONNRESET;
}

ssize_t drop(int, std::string_view bytes) {
  return static_cast<ssize_t>(bytes.size());
}

}  // namespace

RawLink connect_port(Link link, uint16_t port, const Deadline& deadline) {
  link.open(kOnlyStream, channel::encode(channel::ConnectRequest{.port = port}));
  bool is_connected = false;
  talk(
      link, deadline,
      [&is_connected](const Frame& frame) {
        if (frame.kind != Kind::kEvent) return true;
        channel::Event event;
        if (!channel::decode(frame.payload, event)) fail_of_agent("says what means nothing");
        is_connected = event.started.has_value();
        return !is_connected;
      },
      fmt::format("nothing answered at port {} in the guest in time", port));
  if (!is_connected) fail_of_agent("ended the connection before it began");
  return std::move(link).release();
}

void relay(RawLink& link, int input, int output, const std::stop_token& stop) {
  const int socket = link.way.socket.get();
  // What is dropped is always taken at once; what is never written is at its end at once.
  const UniqueFd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (input < 0) input = nowhere.get();
  Pump in(input, socket, {});
  Pump out(socket, output < 0 ? nowhere.get() : output, std::move(link.heard),
           output < 0 ? drop : write_without_blocking);
  Poller poller(stop);
  while (!in.broke_off() && out.error() == 0 && !(in.is_over() && out.is_over())) {
    std::array<pollfd, 5> entries{};
    in.fill_in(std::span(entries).first<2>());
    out.fill_in(std::span(entries).subspan<2, 2>());
    entries[4] = {link.way.engine.get(), POLLIN, 0};
    poller.wait(entries, Deadline::never(stop));
    in.move(std::span(entries).first<2>());
    out.move(std::span(entries).subspan<2, 2>());
    // What the guest said before its engine ended lies in the socket.
    if (entries[4].revents != 0 && entries[2].revents == 0 && entries[3].revents == 0) fail_of_engine();
  }
  if (out.broke_off()) throw errno_error(out.error(), "go on with the connection to the guest");
  if (in.broke_off()) channel::reset_at_close(socket);
  for (const int error : {in.broke_off() ? in.error() : 0, out.error()})
    if (error != 0 && !is_gone(error)) throw errno_error(error, "move what comes from or to the guest");
}

}  // namespace knaller::entry
