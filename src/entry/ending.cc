#include "entry/ending.h"

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "entry/link.h"

namespace knaller::entry {
namespace {

constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;

// What is full or in the way is the guest's.
std::string hint_of_guest(int error) {
  switch (error) {
    case EEXIST:
      return "move it away, or copy to another name; to write into a device or pipe: knaller exec NAME -- "
             "tee FILE <FILE";
    case ENOSPC:
      return "free some space in the guest, or give the VM a larger disk: knaller set NAME --disk SIZE";
    default:
      return {};
  }
}

}  // namespace

Ending ending_of(const channel::End& end) {
  if (end.exit_code) return {.result = {.exit_code = *end.exit_code & 0xff}, .why_not_run = {}};
  if (end.signal) return {.result = {.exit_code = 0, .signal = *end.signal}, .why_not_run = {}};
  const std::string why = fmt::format("{}: {}", printable(end.reason), std::strerror(*end.error));
  if (!end.reason.starts_with("run '")) throw Error(Code::kNotFound, fmt::format("cannot {}", why));
  return {.result = {.exit_code = *end.error == ENOENT ? kNotFound : kNotExecutable}, .why_not_run = why};
}

void require_done(const channel::End& end) {
  if (end.exit_code == 0) return;
  if (!end.error) fail_of_agent("ended the stream without a word");
  const std::string what = fmt::format("{} in the guest", printable(end.reason));
  if (*end.error == ENOSYS)
    throw Error(Code::kUnsupported, "the agent in this guest can't do that: " + what,
                "build the image again with this knaller: knaller image build --replace");
  if (*end.error == ESRCH) throw Error(Code::kNotFound, "cannot " + what);
  throw errno_error(*end.error, what).with_hint(hint_of_guest(*end.error));
}

void require_done(std::string_view payload) {
  channel::End end;
  if (!channel::decode(payload, end)) fail_of_agent("says what means nothing");
  require_done(end);
}

}  // namespace knaller::entry
