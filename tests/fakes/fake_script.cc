#include "fake_script.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "base/json.h"

namespace knaller::fake {
namespace {

constexpr int64_t kLongest = 3'600'000;
constexpr int64_t kMostBytes = int64_t{1} << 30;
constexpr size_t kMostCarried = 16384;

std::chrono::milliseconds milliseconds(const JsonReader& reader, std::string_view key,
                                       std::chrono::milliseconds other) {
  return std::chrono::milliseconds(reader.integer_or(key, other.count(), 0, kLongest));
}

std::optional<size_t> bytes(const JsonReader& reader, std::string_view key) {
  if (!reader.has(key)) return std::nullopt;
  return static_cast<size_t>(reader.integer(key, 0, kMostBytes));
}

// A misspelled key would make a test that tests nothing.
void check_keys(const Json& object, const std::vector<std::string>& known) {
  for (const auto& [key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      fail(Code::kInvalidArgument, "the fake's script: unknown key '{}'", key);
}

Rule parse_rule(const Json& json) {
  const JsonReader reader(json, "the fake's script", Code::kInvalidArgument);
  check_keys(json,
             {"method", "path", "nth", "delay_ms", "status", "body", "die", "exit_code", "hang", "truncate",
              "write_short", "garbage", "twice", "fill", "swap", "swap_for", "late_frame", "late_write"});
  Rule rule;
  rule.method = reader.string_or("method", "");
  rule.path = reader.string_or("path", "");
  rule.nth = static_cast<int>(reader.integer_or("nth", 0, 0, kLongest));
  rule.delay = milliseconds(reader, "delay_ms", rule.delay);
  if (reader.has("status")) rule.status = static_cast<int>(reader.integer("status", 100, 999));
  rule.body = reader.string_or("body", "");
  rule.die = reader.string_or("die", "");
  rule.exit_code = static_cast<int>(reader.integer_or("exit_code", 1, 0, 255));
  rule.hang = reader.string_or("hang", "");
  rule.truncate = bytes(reader, "truncate");
  rule.write_short = bytes(reader, "write_short");
  rule.garbage = reader.string_or("garbage", "");
  rule.twice = reader.boolean_or("twice", false);
  rule.fill = reader.string_or("fill", "");
  rule.swap = reader.string_or("swap", "");
  rule.swap_for = reader.string_or("swap_for", "");
  rule.late_frame = reader.boolean_or("late_frame", false);
  rule.late_write = reader.boolean_or("late_write", false);
  return rule;
}

Guest parse_guest(const Json& json) {
  const JsonReader reader(json, "the fake's script", Code::kInvalidArgument);
  check_keys(json, {"ready_ms", "ready", "boot", "on_ctrl_alt_del", "tick_ms", "loud"});
  Guest guest;
  guest.ready_after = milliseconds(reader, "ready_ms", guest.ready_after);
  guest.ready = reader.string_or("ready", guest.ready);
  guest.boot = reader.string_or("boot", guest.boot);
  guest.on_ctrl_alt_del = reader.string_or("on_ctrl_alt_del", guest.on_ctrl_alt_del);
  guest.loud = reader.boolean_or("loud", false);
  guest.tick = milliseconds(reader, "tick_ms", guest.tick);
  return guest;
}

// What a test has appended to a copy of this program.
std::string carried_script() {
  // In two parts, so that the program does not carry the whole mark itself.
  const std::string mark = std::string("\n--fake-") + "script--\n";
  const UniqueFd program = open_at(AT_FDCWD, "/proc/self/exe", O_RDONLY);
  std::string end(kMostCarried, '\0');
  const uint64_t size = file_size(program.get());
  const uint64_t from = size > end.size() ? size - end.size() : 0;
  const ssize_t count = ::pread(program.get(), end.data(), end.size(), static_cast<off_t>(from));
  if (count < 0) fail_errno("read this program's own file");
  end.resize(static_cast<size_t>(count));
  const size_t at = end.rfind(mark);
  return at == std::string::npos ? std::string() : end.substr(at + mark.size());
}

}  // namespace

Rule* Script::match(const firecracker::HttpRequest& request) {
  for (Rule& rule : rules) {
    if (!rule.method.empty() && rule.method != request.method) continue;
    if (!rule.path.empty() && rule.path != request.target) continue;
    ++rule.seen;
    if (rule.nth == 0 || rule.nth == rule.seen) return &rule;
  }
  return nullptr;
}

Script parse_script(const std::string& text) {
  const Json json = parse_json(text, "the fake's script", Code::kInvalidArgument);
  const JsonReader reader(json, "the fake's script", Code::kInvalidArgument);
  check_keys(json, {"version", "state_version", "guest", "rules"});
  Script script;
  script.version = reader.string_or("version", script.version);
  script.state_version = reader.string_or("state_version", script.state_version);
  if (reader.has("guest")) script.guest = parse_guest(reader.object("guest"));
  if (reader.has("rules"))
    for (const Json& rule : reader.array("rules")) script.rules.push_back(parse_rule(rule));
  return script;
}

Script load_script(const std::string& option) {
  const char* environment = std::getenv("FAKE_FIRECRACKER_SCRIPT");
  const std::string source = !option.empty()          ? option
                             : environment != nullptr ? environment
                                                      : carried_script();
  if (source.empty()) return {};
  return parse_script(source.starts_with('{') ? source : read_file(source));
}

}  // namespace knaller::fake
