// What a command still does once its work is done, behind the point of no return.
//
// What fails there fails the command, which then must not look as if nothing had come of it: whoever tries
// again, or never learns an id, is left with a thing that he does not know of.
#ifndef KNALLER_BASE_ONCE_DONE_H_
#define KNALLER_BASE_ONCE_DONE_H_

#include <exception>
#include <functional>
#include <string>

#include "base/error.h"

namespace knaller {

// Runs `body`; whatever leaves it becomes an Error that says first what is done: "it runs all the same".
template <typename Body>
auto once_done(const std::function<std::string()>& done, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& exception) {
    Error error = error_from(exception);
    throw error.in(done());
  }
}

}  // namespace knaller

#endif  // KNALLER_BASE_ONCE_DONE_H_
