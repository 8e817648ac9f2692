// Making errors: the public type is in <knaller/error.h>; here are the ways this code base creates them.
#ifndef KNALLER_BASE_ERROR_H_
#define KNALLER_BASE_ERROR_H_

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>

#include "knaller/error.h"

namespace knaller {

// fail(Code::kNotFound, "no VM named '{}'", name)
template <typename... Args>
[[noreturn]] void fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// "cannot <what>: No space left on device", with the code that fits the errno (ENOSPC: kExhausted, EACCES:
// kPermission, …).
Error errno_error(int saved_errno, std::string what);

// fail_errno("open '{}'", path): reads errno first.
template <typename... Args>
[[noreturn]] void fail_errno(fmt::format_string<Args...> format, Args&&... args) {
  const int saved_errno = errno;
  throw errno_error(saved_errno, fmt::format(format, std::forward<Args>(args)...));
}

// Runs `body`; an Error that leaves it carries `context`. The context string is only built when it is needed.
template <typename Body>
auto in_context(const std::function<std::string()>& context, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (Error& error) {
    error.in(context());
    throw;
  }
}

// An Error as it is; what the standard library throws when memory or threads run out as kExhausted; any other
// exception as kInternal. For the boundaries (threads, processes, protocols).
Error error_from(const std::exception& exception);

}  // namespace knaller

#endif  // KNALLER_BASE_ERROR_H_
