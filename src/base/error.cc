#include "base/error.h"

#include <array>
#include <cerrno>
#include <new>
#include <system_error>

namespace knaller {
inline namespace v0 {
namespace {

constexpr std::array<std::pair<Code, std::string_view>, 15> kNames{{
    {Code::kInvalidArgument, "invalid_argument"},
    {Code::kNotFound, "not_found"},
    {Code::kAlreadyExists, "already_exists"},
    {Code::kWrongState, "wrong_state"},
    {Code::kBusy, "busy"},
    {Code::kPermission, "permission"},
    {Code::kUnsupported, "unsupported"},
    {Code::kExhausted, "exhausted"},
    {Code::kTimeout, "timeout"},
    {Code::kCancelled, "cancelled"},
    {Code::kCorrupt, "corrupt"},
    {Code::kEngineRefused, "engine_refused"},
    {Code::kEngineDied, "engine_died"},
    {Code::kIo, "io"},
    {Code::kInternal, "internal"},
}};

}  // namespace

std::string_view to_string(Code code) {
  for (const auto& [known, name] : kNames)
    if (known == code) return name;
  return "internal";
}

Code code_from_string(std::string_view name) {
  for (const auto& [code, known] : kNames)
    if (known == name) return code;
  return Code::kInternal;
}

Error::Error(Code code, std::string message, std::string hint)
    : code_(code), message_(std::move(message)), hint_(std::move(hint)) {
  render();
}

Error& Error::in(std::string context) {
  contexts_.insert(contexts_.begin(), std::move(context));
  render();
  return *this;
}

Error& Error::with_hint(std::string hint) {
  hint_ = std::move(hint);
  return *this;
}

void Error::render() {
  what_.clear();
  for (const auto& context : contexts_) what_ += context + ": ";
  what_ += message_;
}

}  // namespace v0

namespace {

Code code_of_errno(int saved_errno) {
  switch (saved_errno) {
    case ENOENT:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermission;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return Code::kExhausted;
    case ETIMEDOUT:
      return Code::kTimeout;
    case EBUSY:
    case EADDRINUSE:
      return Code::kBusy;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
      return Code::kInvalidArgument;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::kUnsupported;
    default:
      return Code::kIo;
  }
}

std::string hint_of_errno(int saved_errno) {
  switch (saved_errno) {
    case ENOSPC:
      return "free some space on that file system, or set KNALLER_HOME to a folder on another one";
    case EDQUOT:
      return "your disk quota is used up";
    case EROFS:
      return "that file system is mounted read-only; set KNALLER_HOME to a writable folder";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    case ENOSYS:
      return "this kernel, or the container's filter, lacks a system call: 'knaller doctor' names those that "
             "knaller needs";
    default:
      return {};
  }
}

}  // namespace

Error errno_error(int saved_errno, std::string what) {
  return Error(code_of_errno(saved_errno),
               fmt::format("cannot {}: {}", what, std::generic_category().message(saved_errno)),
               hint_of_errno(saved_errno));
}

Error error_from(const std::exception& exception) {
  if (const auto* error = dynamic_cast<const Error*>(&exception)) return *error;
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr)
    return Error(Code::kExhausted, "cannot get more memory",
                 "free some memory, or raise its limit (ulimit -v)");
  // Threads are all that the standard library is asked for and may refuse.
  if (const auto* refused = dynamic_cast<const std::system_error*>(&exception))
    return errno_error(refused->code().value(), "start a thread");
  return Error(Code::kInternal, exception.what());
}

}  // namespace knaller
