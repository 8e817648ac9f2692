#include "store/names.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"

namespace knaller::store {
namespace {

constexpr size_t kLongestName = 63;
constexpr std::string_view kSnapshotPrefix = "snap_";

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// Why `text` is no name; empty when it is one.
std::string fault_of(std::string_view text) {
  if (text.empty()) return "it is empty";
  if (text.size() > kLongestName)
    return fmt::format("it has {} characters, {} are allowed", text.size(), kLongestName);
  if (!is_lower_or_digit(text.front())) return "it must begin with a lower-case letter or a digit";
  const bool clean = std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower_or_digit(c) || c == '_' || c == '.' || c == '-';
  });
  return clean ? "" : "only lower-case letters, digits, '_', '.' and '-' are allowed";
}

std::string shown(std::string_view text) {
  constexpr size_t kMost = 80;
  return printable(text.substr(0, kMost)) + (text.size() > kMost ? "…" : "");
}

}  // namespace

Name Name::parse(std::string_view text, std::string_view kind) {
  const std::string fault = fault_of(text);
  if (!fault.empty()) fail(Code::kInvalidArgument, "'{}' is not a {}: {}", shown(text), kind, fault);
  return Name(std::string(text));
}

bool Name::is_valid(std::string_view text) {
  return fault_of(text).empty();
}

SnapshotId SnapshotId::parse(std::string_view text) {
  if (!is_valid(text))
    fail(Code::kInvalidArgument, "'{}' is not a snapshot id: ids are snap_ and eight hexadecimal digits",
         shown(text));
  return SnapshotId(std::string(text));
}

SnapshotId SnapshotId::make_random() {
  return SnapshotId(std::string(kSnapshotPrefix) + hex(random_bytes(4)));
}

bool SnapshotId::is_valid(std::string_view text) {
  if (!text.starts_with(kSnapshotPrefix)) return false;
  text.remove_prefix(kSnapshotPrefix.size());
  return text.size() == 8 && std::all_of(text.begin(), text.end(), is_hex_digit);
}

Name make_up_name() {
  static constexpr std::array<std::string_view, 32> kAdjectives{
      "amber", "bold",  "brave", "brisk",  "calm",  "clever", "cool",  "crisp", "deft",  "eager", "early",
      "fair",  "fond",  "fresh", "gentle", "glad",  "grand",  "happy", "jolly", "keen",  "kind",  "light",
      "lucky", "merry", "neat",  "noble",  "proud", "quick",  "quiet", "sunny", "swift", "warm"};
  static constexpr std::array<std::string_view, 32> kNouns{
      "badger", "beaver", "bison", "crane", "dove", "eagle",  "falcon", "ferret", "finch", "fox",   "gecko",
      "heron",  "ibex",   "koala", "lark",  "lynx", "marten", "mole",   "moose",  "newt",  "otter", "owl",
      "panda",  "puffin", "raven", "robin", "seal", "stoat",  "swan",   "tapir",  "wren",  "yak"};
  const std::string bytes = random_bytes(4);
  const auto at = [&bytes](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  return Name::parse(fmt::format("{}-{}-{:02}", kAdjectives[at(0) % kAdjectives.size()],
                                 kNouns[at(1) % kNouns.size()], (at(2) * 256u + at(3)) % 100u));
}

}  // namespace knaller::store
