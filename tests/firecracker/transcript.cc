#include "transcript.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "engine.h"

namespace knaller::test {

using firecracker::Request;
using firecracker::Response;

namespace {

constexpr size_t kFileLimit = 4 << 20;
// How long an engine that should go on after a load is watched for ending.
constexpr auto kAfterlife = std::chrono::milliseconds(200);

// Bodies are sent with their members in the recorded order: the first wrong one decides what is said.
using Ordered = nlohmann::ordered_json;

Exchange exchange_from(const Ordered& line) {
  Exchange exchange;
  exchange.number = line.at("n").get<int>();
  exchange.scenario = line.at("scenario").get<std::string>();
  exchange.exit = line.at("method") == "EXIT";
  exchange.request = {line.at("method").get<std::string>(), line.at("path").get<std::string>(), {}};
  const Ordered& body = line.at("body");
  if (body.is_string())
    exchange.request.body = body.get<std::string>();
  else if (!body.is_null())
    exchange.request.body = body.dump();
  return exchange;
}

void take_answer(Exchange& exchange, const Ordered& line) {
  exchange.status.reset();
  if (!line.at("status").is_null()) exchange.status = line.at("status").get<int>();
  exchange.reply = line.at("reply").dump();
}

std::vector<Ordered> read_lines(const std::string& path) {
  std::vector<Ordered> lines;
  const std::string text = read_file(path, kFileLimit);
  for (const std::string_view line : split(text, '\n'))
    if (!line.empty()) lines.push_back(Ordered::parse(line));
  return lines;
}

// GET /vm/config lists drives in different orders.
Json comparable(Json json) {
  if (json.is_object() && json.contains("drives"))
    std::sort(json["drives"].begin(), json["drives"].end(),
              [](const Json& left, const Json& right) { return left["drive_id"] < right["drive_id"]; });
  return json;
}

std::string replace_version(std::string text, const std::string& version) {
  const std::string quoted = "\"" + version + "\"";
  for (size_t at = text.find(quoted); at != std::string::npos; at = text.find(quoted, at))
    text.replace(at, quoted.size(), "\"VERSION\"");
  return text;
}

std::string compare_bodies(const Json& recorded, const std::string& body, const Subject& subject) {
  if (recorded.is_null()) return body.empty() ? "" : "an answer without body recorded, got " + body;
  if (recorded.is_string())
    return recorded == body ? "" : fmt::format("{} recorded, got {}", recorded.dump(), body);
  const Json answered = Json::parse(replace_version(body, subject.version), nullptr, false);
  if (recorded.contains("fault_message")) {
    if (!answered.is_object() || !answered.contains("fault_message")) return "no fault_message in " + body;
    const auto expected = stable_part(recorded["fault_message"].get<std::string>());
    const auto got = stable_part(answered["fault_message"].get<std::string>());
    if (!subject.compare_messages || expected == got) return "";
    return fmt::format("'{}' recorded, got '{}'", expected, got);
  }
  if (comparable(recorded) == comparable(answered)) return "";
  return fmt::format("{} recorded, got {}", recorded.dump(), body);
}

class Replayer {
 public:
  Replayer(const Subject& subject, const std::function<bool(const Exchange&)>& skip)
      : subject_(subject), skip_(skip) {}

  std::vector<Difference> run(const std::vector<Exchange>& transcript) {
    std::string scenario;
    for (const Exchange& exchange : transcript) {
      if (exchange.scenario != scenario) begin(scenario = exchange.scenario);
      if (skip_ && skip_(exchange)) continue;
      const std::string what = exchange.exit ? check_exit(exchange) : check_answer(exchange);
      if (!what.empty())
        differences_.push_back(
            {exchange.number, fmt::format("{} {}: {}", exchange.scenario, exchange.request.name(), what)});
    }
    engine_.reset();
    return std::move(differences_);
  }

 private:
  void begin(const std::string& scenario) {
    engine_.reset();
    ended_.reset();
    folder_ = std::make_unique<EngineFolder>();
    fill(*folder_);
    if (scenario.starts_with("load_")) put_snapshot();
    if (scenario == "load_missing_drive") remove_tree(folder_->fd(), "rootfs.ext4");
    engine_ = std::make_unique<Engine>(subject_.binary, *folder_, subject_.arguments);
  }

  void fill(const EngineFolder& folder) const {
    folder.write("vmlinuz", subject_.kernel);
    folder.write("vmlinux", subject_.kernel);
    folder.write("initrd", subject_.initrd);
    folder.write("notakernel", "hello\n");
    folder.write("empty", "");
    make_directories(folder.path("adir"));
    folder.make_sparse("rootfs.ext4", 16 << 20);
    folder.make_sparse("other.ext4", 16 << 20);
    folder.make_sparse("data.ext4", 8 << 20);
  }

  // Made once, by the same engine.
  void put_snapshot() {
    if (!snapshot_) {
      snapshot_ = std::make_unique<EngineFolder>();
      fill(*snapshot_);
      Engine engine(subject_.binary, *snapshot_, subject_.arguments);
      for (const Request& request : snapshot_requests()) engine.client().apply(request, patience());
    }
    for (const char* name : {"state", "memory"})
      link_or_copy(snapshot_->fd(), name, folder_->fd(), name, patience());
  }

  std::vector<Request> snapshot_requests() const {
    std::vector<Request> requests{
        firecracker::put_boot_source({"vmlinuz", "initrd", "console=ttyS0 reboot=k panic=1"}),
        firecracker::put_drive({"rootfs", "rootfs.ext4", true, false}),
        firecracker::put_machine_config({1, 128}),
    };
    if (subject_.vsock) requests.push_back({"PUT", "/vsock", R"({"guest_cid":3,"uds_path":"vsock.sock"})"});
    requests.push_back(firecracker::start_instance());
    requests.push_back(firecracker::set_state(firecracker::VmState::kPaused));
    requests.push_back(firecracker::create_snapshot({"state", "memory"}, {1, 17, 0, "dev"}));
    return requests;
  }

  std::string check_answer(const Exchange& exchange) {
    if (!exchange.status) {
      ended_ = engine_->child().wait(patience());
      if (!ended_) return "the process should have ended";
      try {
        engine_->client().send(exchange.request, patience());
      } catch (const Error& error) {
        return error.code() == Code::kEngineDied ? "" : error.what();
      }
      return "an ended process answered";
    }
    Response response;
    try {
      response = engine_->client().send(exchange.request, patience());
    } catch (const Error& error) {
      return error.what();
    }
    if (response.status != *exchange.status)
      return fmt::format("status {} recorded, got {} {}", *exchange.status, response.status, response.body);
    return compare_bodies(Json::parse(exchange.reply), response.body, subject_);
  }

  std::string check_exit(const Exchange& exchange) {
    const auto status = ended_ ? ended_ : engine_->child().wait(Deadline::after(kAfterlife));
    if (!exchange.status) return status ? "ended with " + status->describe() : "";
    if (!status) return "the process should have ended";
    const bool same = !status->signaled && status->value == *exchange.status;
    return same ? "" : fmt::format("exit code {} recorded, got {}", *exchange.status, status->describe());
  }

  const Subject& subject_;
  const std::function<bool(const Exchange&)>& skip_;
  std::unique_ptr<EngineFolder> folder_;
  std::unique_ptr<EngineFolder> snapshot_;
  std::unique_ptr<Engine> engine_;
  std::optional<ExitStatus> ended_;
  std::vector<Difference> differences_;
};

}  // namespace

std::vector<Exchange> load_transcript(const std::string& folder, const std::string& version) {
  constexpr const char* kComplete = "1.17.0-dev";
  std::vector<Exchange> transcript;
  std::map<int, size_t> place;
  for (const Ordered& line : read_lines(fmt::format("{}/{}.jsonl", folder, kComplete))) {
    Exchange exchange = exchange_from(line);
    take_answer(exchange, line);
    place[exchange.number] = transcript.size();
    transcript.push_back(std::move(exchange));
  }
  if (version == kComplete) return transcript;
  for (const Ordered& line : read_lines(fmt::format("{}/{}.jsonl", folder, version)))
    take_answer(transcript.at(place.at(line.at("n").get<int>())), line);
  return transcript;
}

std::vector<Difference> replay(const std::vector<Exchange>& transcript, const Subject& subject,
                               const std::function<bool(const Exchange&)>& skip) {
  return Replayer(subject, skip).run(transcript);
}

std::string stable_part(const std::string& message) {
  std::string part = message.substr(0, message.find(" at line "));
  if (part.starts_with("An error occurred when deserializing"))
    part = part.substr(0, part.find(", expected "));
  if (part.ends_with('.')) part.pop_back();
  return part;
}

}  // namespace knaller::test
