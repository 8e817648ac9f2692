#include "firecracker/version.h"

#include <tuple>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

namespace knaller::firecracker {
namespace {

constexpr int kLargest = 99999;

// A release comes after everything with a suffix.
auto key(const Version& version) {
  return std::tuple(version.major, version.minor, version.patch, version.suffix.empty(),
                    std::string_view(version.suffix));
}

bool at_least(const Version& version, int major_number, int minor_number, int patch_number = 0) {
  return version >= Version{major_number, minor_number, patch_number, {}};
}

bool has_clock_realtime(const Version& version) {
  if (version.major == 1 && version.minor == 14) return at_least(version, 1, 14, 4);
  return at_least(version, 1, 15, 1);
}

// Development builds of 1.17 have what is to be in it.
bool is_1_17(const Version& version) {
  return version.major > 1 || (version.major == 1 && version.minor >= 17);
}

}  // namespace

std::string Version::text() const {
  return fmt::format("{}.{}.{}{}{}", major, minor, patch, suffix.empty() ? "" : "-", suffix);
}

std::strong_ordering operator<=>(const Version& left, const Version& right) {
  return key(left) <=> key(right);
}

bool operator==(const Version& left, const Version& right) {
  return key(left) == key(right);
}

Version parse_version(std::string_view text) {
  std::string_view rest = trim(text);
  if (rest.starts_with('v')) rest.remove_prefix(1);
  const size_t dash = rest.find('-');
  Version version;
  if (dash != std::string_view::npos) version.suffix = rest.substr(dash + 1);
  const auto parts = split(rest.substr(0, dash), '.');
  const bool plain_suffix =
      version.suffix.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-+") ==
      std::string::npos;
  const bool suffix_fits = dash == std::string_view::npos || (!version.suffix.empty() && plain_suffix);
  int* const numbers[] = {&version.major, &version.minor, &version.patch};
  bool good = parts.size() == 3 && rest.size() < 100 && suffix_fits;
  for (size_t i = 0; good && i < 3; ++i) {
    const auto number = parse_integer(parts[i], 0, kLargest);
    good = number.has_value();
    if (good) *numbers[i] = static_cast<int>(*number);
  }
  if (!good)
    fail(Code::kInvalidArgument, "'{}' is not a version like 1.16.1", printable(text.substr(0, 100)));
  return version;
}

Version query_version(const std::string& binary, const Deadline& deadline) {
  return version_in(run_checked({.argv = {binary, "--version"}}, deadline), binary);
}

Version version_in(std::string_view output, const std::string& binary) {
  const std::string_view line = output.substr(0, output.find('\n'));
  const size_t space = line.rfind(' ');
  Version version;
  try {
    version = parse_version(space == std::string_view::npos ? line : line.substr(space + 1));
  } catch (const Error&) {
    fail(Code::kUnsupported, "{} is not Firecracker: it calls itself '{}'", binary,
         printable(line.substr(0, 200)));
  }
  if (version < Version{1, 7, 0, {}})
    throw Error(Code::kUnsupported,
                fmt::format("{} is Firecracker {}, which is too old", binary, version.text()),
                "use Firecracker 1.7.0 or newer");
  return version;
}

Features features(const Version& version) {
  Features known;
  known.network_overrides = at_least(version, 1, 12);
  known.track_dirty_pages_load = at_least(version, 1, 13);
  known.diff_without_tracking = at_least(version, 1, 13);
  known.clock_realtime = has_clock_realtime(version);
  known.vsock_override = at_least(version, 1, 16);
  known.serial = at_least(version, 1, 14);
  known.makes_log_files = at_least(version, 1, 14);
  known.load_huge_pages = is_1_17(version);
  known.sync_snapshot_files = at_least(version, 1, 17);
  known.hotplug = at_least(version, 1, 16);
  return known;
}

}  // namespace knaller::firecracker
