// What a guest says where a word is enough. The first byte says what follows:
//
//   'b' what is heard before its SSH banner   'c' its console, in pieces whose sizes the second byte gives
//   'k' its SSH server's keys
#include <algorithm>

#include "base/text.h"
#include "monitor/console.h"
#include "ssh/known_hosts.h"
#include "ssh/probe.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

// More words never unsay a banner.
void hear_banner(std::string_view text) {
  const bool whole = ssh::has_banner(text);
  for (size_t size = 0; size <= text.size() && size < 300; ++size)
    fuzz::require(whole || !ssh::has_banner(text.substr(0, size)), "the banner was unsaid");
}

// How a console's text is cut into pieces is chance, and changes nothing.
void read_console(std::string_view text) {
  if (text.empty()) return;
  const size_t piece = 1 + static_cast<uint8_t>(text[0]);
  text.remove_prefix(1);
  monitor::ConsoleScanner at_once, in_pieces;
  monitor::Tail tail;
  at_once.feed(text);
  tail.feed(text);
  for (size_t at = 0; at < text.size(); at += piece) in_pieces.feed(text.substr(at, piece));
  fuzz::require(at_once.markers() == in_pieces.markers(), "pieces say something else");
  const std::string last = tail.lines(20);
  for (const std::string_view line : split(last, '\n'))
    fuzz::require(printable(line) == line, "the console's end would change a terminal");
}

// What its agent says are its SSH server's keys: lines about the VM alone, or nothing.
void read_keys(std::string_view text) {
  try {
    const std::string known = ssh::known_hosts_of("web", text);
    for (const std::string_view line : split(known, '\n'))
      fuzz::require(line.empty() || line.starts_with("web "), "a line about somebody else");
  } catch (const Error& error) {
    fuzz::require(error.code() == Code::kCorrupt, error.what());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data, size).substr(1);
  if (data[0] == 'b') hear_banner(text);
  if (data[0] == 'c') read_console(text);
  if (data[0] == 'k') read_keys(text);
  return 0;
}
