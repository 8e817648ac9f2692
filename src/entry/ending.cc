#include "entry/ending.h"

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace knaller::entry {
namespace {

constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;

}  // namespace

Ending ending_of(const channel::End& end) {
  if (end.exit_code) return {.result = {.exit_code = *end.exit_code & 0xff}, .why_not_run = {}};
  if (end.signal) return {.result = {.exit_code = 0, .signal = *end.signal}, .why_not_run = {}};
  const std::string why = fmt::format("{}: {}", printable(end.reason), std::strerror(*end.error));
  if (!end.reason.starts_with("run '")) throw Error(Code::kNotFound, fmt::format("cannot {}", why));
  return {.result = {.exit_code = *end.error == ENOENT ? kNotFound : kNotExecutable}, .why_not_run = why};
}

}  // namespace knaller::entry
