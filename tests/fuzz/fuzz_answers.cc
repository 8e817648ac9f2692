// What a guest says where a word is enough. The first byte says what follows:
//
//   'b' what is heard before its SSH banner   'c' its console, in pieces whose sizes the second byte gives
//   'k' what pins its host key
#include <algorithm>

#include "base/text.h"
#include "guest/known_hosts.h"
#include "guest/probe.h"
#include "monitor/console.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

// More words never unsay a banner.
void hear_banner(std::string_view text) {
  const bool whole = guest::has_banner(text);
  for (size_t size = 0; size <= text.size() && size < 300; ++size)
    fuzz::require(whole || !guest::has_banner(text.substr(0, size)), "the banner was unsaid");
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

// An imported snapshot brings such a file. Whatever stands in it, no algorithm comes to those that are known.
void read_pins(std::string_view text) {
  const std::string asked_for = guest::host_key_algorithms(guest::pinned_keys(text, "web"));
  auto ordered = split(asked_for, ',');
  const std::string by_default = guest::host_key_algorithms({});
  auto known = split(by_default, ',');
  std::sort(ordered.begin(), ordered.end());
  std::sort(known.begin(), known.end());
  fuzz::require(ordered == known, "other algorithms");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of(data, size).substr(1);
  if (data[0] == 'b') hear_banner(text);
  if (data[0] == 'c') read_console(text);
  if (data[0] == 'k') read_pins(text);
  return 0;
}
