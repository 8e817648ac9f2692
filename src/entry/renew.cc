#include "entry/renew.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "entry/run.h"

namespace knaller::entry {
namespace {

constexpr size_t kEntropyBytes = 64;
constexpr size_t kMostWords = 200;

std::string request_line(const RenewRequest& request) {
  const std::string entropy = request.entropy.empty() ? random_bytes(kEntropyBytes) : request.entropy;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  Json json{{"v", 1},
            {"entropy", base64(entropy)},
            {"time_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()}};
  if (!request.hostname.empty()) json["hostname"] = request.hostname;
  return dump_json(json) + "\n";
}

std::string shortened(std::string_view text) {
  return printable(trim(text).substr(0, kMostWords));
}

}  // namespace

Renewal parse_renewal(const std::string& line) {
  try {
    const Json json = parse_json(line, "the guest helper's answer");
    const JsonReader reader(json, "the guest helper's answer");
    Renewal renewal{.ok = reader.boolean_or("ok", false), .reason = "", .failed = {}};
    if (renewal.ok) return renewal;
    renewal.reason = shortened(reader.string_or("error", "the guest helper failed"));
    if (!reader.has("failed")) return renewal;
    for (const auto& name : reader.array("failed"))
      if (name.is_string() && renewal.failed.size() < 16)
        renewal.failed.push_back(shortened(name.get<std::string>()));
    return renewal;
  } catch (const Error& error) {
    return {.ok = false, .reason = shortened(error.message()), .failed = {}};
  }
}

std::string kept_parts(const std::vector<std::string>& failed) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kParts{
      {{"entropy", "randomness"}, {"time", "clock"}, {"hostname", "hostname"}}};
  std::vector<std::string_view> kept;
  for (const auto& [name, word] : kParts)
    if (std::find(failed.begin(), failed.end(), name) != failed.end()) kept.push_back(word);
  if (kept.empty()) return "randomness, clock and hostname";
  std::string text(kept.front());
  for (size_t i = 1; i < kept.size(); ++i) {
    text += i + 1 == kept.size() ? " and " : ", ";
    text += kept[i];
  }
  return text;
}

Renewal renew(Link& link, const RenewRequest& request, const Deadline& deadline) {
  const RunOutput output = run(link, Whose::kAgents, {"renew"}, request_line(request), deadline);
  const std::string line = output.out.substr(0, output.out.find('\n'));
  if (!line.empty()) return parse_renewal(line);
  return {
      .ok = false,
      .reason = fmt::format("the agent's program ended with {}: {}",
                            output.result.signal != 0 ? 128 + output.result.signal : output.result.exit_code,
                            shortened(output.err)),
      .failed = {}};
}

}  // namespace knaller::entry
