#include "agent/connection.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "agent/copy_files.h"
#include "agent/relay.h"

namespace knaller::agent {
namespace {

using channel::Channel;
using channel::Frame;
using channel::Kind;

constexpr size_t kReadAtOnce = 64 << 10;
// Frames that wait for the socket; a stream's turn.
constexpr size_t kMostWaiting = 256 << 10;
constexpr size_t kTurn = 32 << 10;
constexpr size_t kMostStreams = 1024;

}  // namespace

Connection::Connection(Loop& loop, int socket, Sessions& sessions, const channel::Hello& hello,
                       std::function<void()> on_end)
    : loop_(loop), socket_(socket), sessions_(sessions), on_end_(std::move(on_end)) {
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  channel::append(out_, {.kind = Kind::kHello, .payload = channel::encode(hello)});
  if (!loop_.watch(socket_, EPOLLIN, [this](uint32_t events) { on_event(events); })) end(true);
  wake();
}

Connection::~Connection() {
  loop_.forget(socket_);
  close(socket_);
  const auto parting = broken_ ? Sessions::Parting::kBroken : Sessions::Parting::kGone;
  for (const auto& [stream, session] : streams_) sessions_.let_go(session, parting);
}

void Connection::lose(const Session* session) {
  std::erase_if(streams_, [session](const auto& stream) { return stream.second.get() == session; });
}

// Not at once: this is called from within the connection's own work, and it may be the end of it.
void Connection::end(bool broken) {
  if (ended_) return;
  ended_ = true;
  broken_ = broken;
  loop_.forget(socket_);
  loop_.after(0, on_end_);
}

void Connection::on_event(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !read_frames()) return;
  flush();
}

bool Connection::read_frames() {
  char buffer[kReadAtOnce];
  const ssize_t got = recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  // An end in order is its client's; what breaks may come again on another connection.
  if (got <= 0) {
    end(got < 0);
    return false;
  }
  reader_.feed({buffer, static_cast<size_t>(got)});
  while (const auto frame = reader_.next()) {
    if (ended_) return false;
    if (!take(*frame)) {
      end(false);
      return false;
    }
  }
  if (reader_.broken()) end(false);
  return !ended_;
}

bool Connection::take(const Frame& frame) {
  if (!greeted_) {
    channel::Hello hello;
    if (frame.kind != Kind::kHello || !channel::decode(frame.payload, hello)) return false;
    if (hello.oldest > channel::kProtocol) return false;
    greeted_ = true;
    sessions_.greet(hello);
    return true;
  }
  if (frame.kind == Kind::kOpen) return take_open(frame);
  const auto found = streams_.find(frame.stream);
  // What was still on its way to a stream that has ended.
  if (found == streams_.end()) return frame.kind != Kind::kHello;
  if (frame.kind == Kind::kEnd && frame.channel == Channel::kWhole) {
    const std::shared_ptr<Session> session = found->second;
    streams_.erase(found);
    sessions_.let_go(session, Sessions::Parting::kDone);
    return true;
  }
  return take_for(*found->second, frame);
}

bool Connection::take_open(const Frame& frame) {
  if (opening_.empty()) opening_stream_ = frame.stream;
  if (frame.stream != opening_stream_ || opening_.size() + frame.payload.size() > channel::kMostOpen)
    return false;
  opening_.append(frame.payload);
  if (frame.more) return true;
  const std::string payload = std::exchange(opening_, {});
  return open(frame.stream, payload);
}

bool Connection::open(uint16_t stream, std::string_view payload) {
  if (stream == 0 || streams_.contains(stream) || streams_.size() >= kMostStreams) return false;
  const auto service = channel::service_of(payload);
  if (!service) return false;
  switch (*service) {
    case channel::Service::kExec: {
      channel::ExecRequest request;
      if (!channel::decode(payload, request)) return false;
      auto session = sessions_.begin(std::move(request), [this] { wake(); });
      if (session == nullptr)
        refuse(stream, EAGAIN, "run another program beside so many");
      else
        streams_[stream] = std::move(session);
      break;
    }
    case channel::Service::kAttach: {
      channel::AttachRequest request;
      if (!channel::decode(payload, request)) return false;
      auto session = sessions_.take_over(request.session, [this] { wake(); });
      if (session == nullptr)
        refuse(stream, ESRCH, "go on with a session that is gone");
      else if (!session->resume(request))
        return false;
      else
        streams_[stream] = std::move(session);
      break;
    }
    case channel::Service::kConnect: {
      channel::ConnectRequest request;
      if (!channel::decode(payload, request)) return false;
      give_away(stream,
                [&](int socket, const HandedOver& from) { return relay(socket, from, request.port); });
      break;
    }
    case channel::Service::kList:
      tell_sessions(stream);
      break;
    case channel::Service::kSignal: {
      channel::SignalRequest request;
      if (!channel::decode(payload, request)) return false;
      if (sessions_.signal_session(request.session, request.signal))
        finish(stream, {.exit_code = 0, .signal = {}, .error = {}, .reason = {}});
      else
        refuse(stream, ESRCH, "signal a session that is gone");
      break;
    }
    case channel::Service::kCopy: {
      channel::CopyRequest request;
      if (!channel::decode(payload, request)) return false;
      give_away(stream, [&](int socket, const HandedOver& from) {
        return copy_files(socket, from, sessions_.guest(), request);
      });
      break;
    }
    default:
      refuse(stream, ENOSYS, "do what this agent does not know");
  }
  wake();
  return true;
}

void Connection::give_away(uint16_t stream, const Work& work) {
  if (!streams_.empty()) return refuse(stream, EBUSY, "give away a connection with other streams");
  const pid_t pid = hand_over(socket_, [&](int socket) {
    return work(socket, {.stream = stream, .to_say = out_, .heard = reader_.rest()});
  });
  if (pid < 0) return refuse(stream, errno, "start a process");
  sessions_.handed_over(pid);
  end(false);
}

bool Connection::take_for(Session& session, const Frame& frame) {
  switch (frame.kind) {
    case Kind::kData:
      return frame.channel == Channel::kInput && session.take_input(frame.payload);
    case Kind::kEnd:
      if (frame.channel == Channel::kInput) session.end_input();
      return frame.channel == Channel::kInput;
    case Kind::kCredit: {
      const auto position = channel::decode_position(frame.payload);
      if (!position || !session.allow(frame.channel, *position)) return false;
      wake();
      return true;
    }
    case Kind::kEvent: {
      channel::Event event;
      if (!channel::decode(frame.payload, event)) return false;
      session.take(event);
      return true;
    }
    case Kind::kHello:
    case Kind::kOpen:
    case Kind::kEntry:
      return false;
  }
  return false;
}

void Connection::tell_sessions(uint16_t stream) {
  for (const channel::SessionEntry& entry : sessions_.list())
    channel::append(out_, {.kind = Kind::kEntry, .stream = stream, .payload = encode(entry)});
  finish(stream, {.exit_code = 0, .signal = {}, .error = {}, .reason = {}});
}

void Connection::refuse(uint16_t stream, int error, const std::string& reason) {
  finish(stream, {.exit_code = {}, .signal = {}, .error = error, .reason = reason});
}

void Connection::finish(uint16_t stream, const channel::End& end) {
  channel::append(out_,
                  {.kind = Kind::kEnd, .channel = Channel::kWhole, .stream = stream, .payload = encode(end)});
}

// Sessions call this while they work, and are asked what they have once they are done.
void Connection::wake() {
  if (woken_ || ended_) return;
  woken_ = true;
  loop_.after(0, [this, alive = std::weak_ptr<char>(alive_)] {
    if (alive.expired()) return;
    woken_ = false;
    flush();
  });
}

void Connection::fill() {
  for (size_t turns = 0; turns < streams_.size() && out_.size() < kMostWaiting; ++turns) {
    auto next = streams_.lower_bound(next_to_fill_);
    if (next == streams_.end()) next = streams_.begin();
    next_to_fill_ = static_cast<uint16_t>(next->first + 1);
    if (next->second->fill(out_, next->first, kTurn)) turns = 0;
  }
}

void Connection::flush() {
  while (!ended_) {
    fill();
    if (out_.empty()) break;
    const ssize_t done = send(socket_, out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) {
      if (!waiting_to_write_) loop_.change(socket_, EPOLLIN | EPOLLOUT);
      waiting_to_write_ = true;
      return;
    }
    if (done < 0) return end(true);
    out_.erase(0, static_cast<size_t>(done));
  }
  if (waiting_to_write_ && !ended_) loop_.change(socket_, EPOLLIN);
  waiting_to_write_ = false;
}

}  // namespace knaller::agent
