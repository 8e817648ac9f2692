#include "agent/copy_files.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "agent/accounts.h"
#include "agent/guest_files.h"
#include "agent/tree_writer.h"
#include "channel/frame.h"
#include "channel/message.h"
#include "copy/tree_sender.h"

namespace knaller::agent {
namespace {

using channel::Channel;
using channel::CopyEntry;
using channel::CopyRequest;
using channel::Frame;
using channel::Kind;

constexpr size_t kReadAtOnce = 256 << 10;
constexpr size_t kLarge = 8 << 10;
constexpr size_t kMostWaiting = 64 << 10;

// The connection, which this process has alone by now: it may block.
class Wire {
 public:
  Wire(int socket, const HandedOver& from) : socket_(socket), stream_(from.stream), buffer_(kReadAtOnce, 0) {
    fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) & ~O_NONBLOCK);
    reader_.feed(from.heard);
    waiting_ = from.to_say;
  }

  // Small frames wait for others: each packet costs more than what is in it. False: nobody takes more.
  bool put(const Frame& frame) {
    channel::append_header(waiting_, frame);
    if (frame.payload.size() >= kLarge) return flush(frame.payload);
    waiting_.append(frame.payload);
    return waiting_.size() < kMostWaiting || flush({});
  }

  // Nothing at the end, and when what comes is no frame.
  std::optional<Frame> next() {
    while (true) {
      if (const auto frame = reader_.next()) return frame;
      if (reader_.broken()) return std::nullopt;
      const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return std::nullopt;
      reader_.feed(std::string_view(buffer_).substr(0, static_cast<size_t>(got)));
    }
  }

  void tell_start() {
    channel::Event event;
    event.started = static_cast<uint64_t>(getpid());
    put({.kind = Kind::kEvent, .stream = stream_, .payload = encode(event)});
    flush({});
  }

  // Whoever still sends must not be reset before it has read this.
  void tell_end(int error, const std::string& reason) {
    channel::End end;
    if (error == 0)
      end.exit_code = 0;
    else
      end.error = error;
    end.reason = reason;
    put({.kind = Kind::kEnd, .stream = stream_, .payload = encode(end)});
    flush({});
    shutdown(socket_, SHUT_WR);
    while (true) {
      const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), 0);
      if (got == 0 || (got < 0 && errno != EINTR)) return;
    }
  }

  uint16_t stream() const { return stream_; }

 private:
  // What waits, and then `last`.
  bool flush(std::string_view last) {
    std::string_view first = waiting_;
    while (!first.empty() || !last.empty()) {
      iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                        {const_cast<char*>(last.data()), last.size()}};
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      const ssize_t sent = sendmsg(socket_, &message, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return false;
      const size_t of_first = std::min(first.size(), static_cast<size_t>(sent));
      first.remove_prefix(of_first);
      last.remove_prefix(static_cast<size_t>(sent) - of_first);
    }
    waiting_.clear();
    return true;
  }

  int socket_;
  uint16_t stream_;
  channel::FrameReader reader_;
  std::string buffer_;
  std::string waiting_;
};

// False: the writer failed, or what came makes no sense.
bool take(TreeWriter& writer, const Frame& frame) {
  if (frame.kind == Kind::kEntry) {
    CopyEntry entry;
    return channel::decode(frame.payload, entry) && writer.take(entry);
  }
  if (frame.kind == Kind::kData) {
    const auto data = channel::decode_copy_data(frame.payload);
    return data && writer.take(*data);
  }
  if (frame.kind != Kind::kEnd) return true;  // of a later knaller
  const auto size = channel::decode_position(frame.payload);
  return size && writer.end_file(*size);
}

bool is_end(const Frame& frame) {
  return frame.kind == Kind::kEnd && frame.channel == Channel::kWhole;
}

// Whether whoever sends has sent everything.
bool says_done(const Frame& frame) {
  channel::End end;
  return channel::decode(frame.payload, end) && end.exit_code == 0;
}

int copy_in(Wire& wire, const CopyRequest& request) {
  TreeWriter writer(request);
  bool good = writer.find_place();
  while (good) {
    const auto frame = wire.next();
    if (!frame || (is_end(*frame) && !says_done(*frame))) return 1;
    if (is_end(*frame)) {
      good = writer.finish();
      break;
    }
    good = take(writer, *frame);
  }
  const StartFailure& failure = writer.failure();
  if (good) {
    wire.tell_end(0, {});
    return 0;
  }
  wire.tell_end(failure.error == 0 ? EPROTO : failure.error,
                failure.what.empty() ? "understand what was sent" : failure.what);
  return 1;
}

int copy_out(Wire& wire, const CopyRequest& request) {
  copy::Source source;
  copy::Failure failure;
  if (!copy::open_source(AT_FDCWD, request.path, request.keep_links, &source, &failure)) {
    wire.tell_end(failure.error, failure.what);
    return 1;
  }
  const mode_t mode = source.status.st_mode;
  if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode)) {
    wire.tell_end(ENOTSUP, "copy the device, pipe or socket '" + request.path + "'");
    return 1;
  }
  copy::TreeSender sender({.stream = wire.stream(),
                           .channel = Channel::kOutput,
                           .xattrs = request.keep_xattrs,
                           .count = request.count},
                          [&wire](const Frame& frame) { return wire.put(frame); });
  if (sender.send(source)) {
    wire.tell_end(0, {});
    return 0;
  }
  if (sender.failure().error != 0) wire.tell_end(sender.failure().error, sender.failure().what);
  return 1;
}

}  // namespace

int copy_files(int socket, const HandedOver& from, const Guest& guest, const CopyRequest& request) {
  Wire wire(socket, from);
  Account account;
  StartFailure failure;
  if (!read_account(guest, request.user, request.group, &account, &failure.what)) {
    wire.tell_end(ENOENT, failure.what);
    return 1;
  }
  if (!enter_guest_as(guest, account, &failure)) {
    wire.tell_end(failure.error, failure.what);
    return 1;
  }
  wire.tell_start();
  return request.direction == CopyRequest::Direction::kIn ? copy_in(wire, request) : copy_out(wire, request);
}

}  // namespace knaller::agent
