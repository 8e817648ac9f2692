#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "copy/tree_sender.h"
#include "entry/copy.h"
#include "entry/copy_link.h"
#include "entry/path_name.h"

namespace knaller::entry {
namespace {

using channel::Frame;
using channel::Kind;

constexpr uint32_t kStreamMode = 0644;

// What a path that ends in ".." is called.
std::string resolved_name(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) fail_errno("open '{}'", printable(path));
  return split_path(real.get(), "on this host").name;
}

std::string name_of_source(const std::string& path) {
  const bool is_parent = path == ".." || path.ends_with("/..") || path.ends_with("/../");
  return is_parent ? resolved_name(path) : split_path(path, "on this host").name;
}

copy::Source open_source(const CopyOptions& options) {
  const std::string& path = options.host_path;
  if (path.empty() || path.find('\0') != std::string::npos)
    fail(Code::kInvalidArgument, "'{}' is not a path on this host", printable(path));
  copy::Source source;
  copy::Failure failure;
  if (!copy::open_source(AT_FDCWD, path, options.links, &source, &failure))
    throw errno_error(failure.error, printable(failure.what));
  if (!S_ISLNK(source.status.st_mode) && !source.file)
    throw Error(
        Code::kUnsupported, fmt::format("'{}' is a device or a socket, which is not copied", printable(path)),
        fmt::format("to send what can be read from it: knaller cp - NAME:FILE <'{}'", printable(path)));
  return source;
}

class Upload {
 public:
  Upload(CopyLink& link, const CopyOptions& options, const CopyProgress& progress)
      : link_(link),
        options_(options),
        count_(progress),
        sender_({.stream = kOnlyStream,
                 .channel = channel::Channel::kInput,
                 .xattrs = options.xattrs,
                 .count = progress != nullptr},
                [this](const Frame& frame) { return put(frame); }) {}

  CopySummary send(const copy::Source& source) {
    if (S_ISFIFO(source.status.st_mode)) return send_stream(source.file.get());
    return finish(sender_.send(source));
  }

  CopySummary send_stream(int input) {
    return finish(
        sender_.send_stream(input, kStreamMode, [this, input] { return link_.wait_for_input(input); }));
  }

 private:
  bool put(const Frame& frame) {
    if (frame.kind == Kind::kEntry) {
      channel::CopyEntry entry;
      channel::decode(frame.payload, entry);
      count_.add(entry);
    } else if (frame.kind == Kind::kData) {
      count_.add_bytes(frame.payload.size() - sizeof(channel::CopyData::offset));
      if (count_.summary().bytes > options_.max_bytes) fail_of_size(options_.max_bytes);
    }
    return link_.put(frame);
  }

  CopySummary finish(bool all_sent) {
    const copy::Failure& failure = sender_.failure();
    if (!all_sent && failure.error != 0)
      throw errno_error(failure.error,
                        fmt::format("{} of '{}'", printable(failure.what), printable(options_.host_path)));
    channel::End end;
    end.exit_code = 0;
    if (all_sent) link_.put({.kind = Kind::kEnd, .stream = kOnlyStream, .payload = channel::encode(end)});
    link_.receive([](const Frame&) {});
    return count_.summary();
  }

  CopyLink& link_;
  const CopyOptions& options_;
  CopyCount count_;
  copy::TreeSender sender_;
};

}  // namespace

CopySummary copy_to_guest(Link link, const CopyOptions& options, const CopyProgress& progress,
                          const Deadline& start) {
  const bool is_stream = options.stream_fd >= 0;
  copy::Source source;
  if (!is_stream) source = open_source(options);
  CopyLink conversation(std::move(link),
                        {.direction = channel::CopyRequest::Direction::kIn,
                         .user = options.user,
                         .group = "",
                         .path = options.guest_path,
                         .name = is_stream ? "" : name_of_source(options.host_path),
                         .folder = !is_stream && S_ISDIR(source.status.st_mode),
                         .keep_attributes = options.archive,
                         .keep_xattrs = options.xattrs},
                        start);
  conversation.wait_for_start();
  Upload upload(conversation, options, progress);
  return is_stream ? upload.send_stream(options.stream_fd) : upload.send(source);
}

}  // namespace knaller::entry
