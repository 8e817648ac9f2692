#include "monitor/spec.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "store/fields.h"
#include "store/limits.h"
#include "store/names.h"

namespace knaller::monitor {
namespace {

constexpr char kLaunchRequest[] = "the launch request";

Json requests_to_json(const std::vector<firecracker::Request>& requests) {
  Json array = Json::array();
  for (const auto& request : requests) {
    array.push_back({{"method", request.method}, {"path", request.path}, {"body", request.body}});
  }
  return array;
}

std::vector<firecracker::Request> requests_from_json(const Json& array) {
  std::vector<firecracker::Request> requests;
  for (const auto& item : array) {
    const JsonReader reader(item, kLaunchRequest, Code::kInvalidArgument);
    requests.push_back(
        {.method = reader.string("method"), .path = reader.string("path"), .body = reader.string("body")});
  }
  return requests;
}

std::vector<std::string> strings_from_json(const Json& array) {
  std::vector<std::string> strings;
  for (const auto& item : array) {
    if (!item.is_string()) fail(Code::kInvalidArgument, "{}: a text was expected", kLaunchRequest);
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

Json binds_to_json(const std::vector<std::pair<std::string, std::string>>& binds) {
  Json array = Json::array();
  for (const auto& [file, path] : binds) array.push_back({{"file", file}, {"path", path}});
  return array;
}

std::vector<std::pair<std::string, std::string>> binds_from_json(const Json& array) {
  std::vector<std::pair<std::string, std::string>> binds;
  for (const auto& item : array) {
    const JsonReader reader(item, kLaunchRequest, Code::kInvalidArgument);
    binds.emplace_back(reader.string("file"), reader.string("path"));
  }
  return binds;
}

using How = store::EntryChange::How;

std::string directory_of(const store::EntryChange& entry) {
  return fmt::format("{}/{}", store::folder_of(entry.kind), entry.present_name());
}

// The members are those of monitors that knew no transaction.
store::EntryChange entry_from_json(const JsonReader& reader) {
  store::EntryChange entry{.kind = store::Kind::kVm, .name = reader.string("name"), .how = How::kKeep};
  if (reader.boolean_or("replaces", false))
    entry.how = How::kReplace;
  else if (reader.boolean_or("remove_on_undo", false))
    entry.how = How::kMake;
  const std::string directory = reader.string("directory");
  if (!store::Name::is_valid(entry.name) || directory != directory_of(entry))
    fail(Code::kInvalidArgument, "{}: '{}' is not the directory of VM '{}'", kLaunchRequest,
         printable(directory), printable(entry.name));
  return entry;
}

}  // namespace

Json limits_change_to_json(const LimitsChange& change) {
  return {{"group", group_spec_to_json({.limits = change.group})},
          {"bandwidth", store::rate_to_json(change.bandwidth)},
          {"requests", requests_to_json(change.requests)},
          {"boot", requests_to_json(change.boot)}};
}

LimitsChange limits_change_from_json(const Json& json) {
  const JsonReader reader(json, "the change of limits", Code::kInvalidArgument);
  return {.group = group_spec_from_json(reader.object("group")).limits,
          .bandwidth = store::rate_from_json(reader.object("bandwidth"), "the change of limits"),
          .requests = requests_from_json(reader.array("requests")),
          .boot = requests_from_json(reader.array("boot"))};
}

Json running_change_to_json(const RunningChange& change) {
  Json json = Json::object();
  if (change.egress) json["egress"] = store::egress_to_json(*change.egress);
  if (change.limits) json["limits"] = limits_change_to_json(*change.limits);
  return json;
}

RunningChange running_change_from_json(const JsonReader& reader) {
  RunningChange change;
  if (reader.has("egress"))
    change.egress = store::egress_from_json(reader.object("egress"), "the request's egress");
  if (reader.has("limits")) change.limits = limits_change_from_json(reader.object("limits"));
  return change;
}

Json plan_to_json(const net::Plan& plan) {
  return {{"tap", plan.tap},
          {"tap_mac", plan.tap_mac},
          {"guest_mac", plan.guest_mac},
          {"guest_address", plan.guest_address},
          {"gateway", plan.gateway},
          {"prefix", plan.prefix},
          {"dns", plan.dns},
          {"redirect_dns", plan.redirect_dns},
          {"ports", store::ports_to_json(plan.ports)},
          {"egress", store::egress_to_json(plan.egress)},
          {"bandwidth", store::rate_to_json(plan.bandwidth)}};
}

net::Plan plan_from_json(const Json& json) {
  const JsonReader reader(json, "the network plan", Code::kInvalidArgument);
  net::Plan plan;
  plan.tap = reader.string("tap");
  plan.tap_mac = reader.string("tap_mac");
  plan.guest_mac = reader.string("guest_mac");
  plan.guest_address = reader.string("guest_address");
  plan.gateway = reader.string("gateway");
  plan.prefix = static_cast<int>(reader.integer("prefix", 0, 32));
  plan.dns = reader.string("dns");
  plan.redirect_dns = reader.boolean_or("redirect_dns", false);
  plan.ports = store::ports_from_json(reader.array("ports"), "the network plan");
  if (reader.has("egress"))
    plan.egress = store::egress_from_json(reader.object("egress"), "the network plan");
  if (reader.has("bandwidth"))
    plan.bandwidth = store::rate_from_json(reader.object("bandwidth"), "the network plan");
  return plan;
}

Json spec_to_json(const LaunchSpec& spec) {
  Json json{{"home", spec.home},
            {"directory", directory_of(spec.entry)},
            {"name", spec.entry.name},
            {"uuid", spec.uuid},
            {"engine", store::to_text(spec.engine)},
            {"engine_binary", spec.engine_binary},
            {"engine_files", spec.engine_files},
            {"kvm", spec.kvm},
            {"file_limit", spec.file_limit},
            {"engine_args", spec.engine_args},
            {"boot", requests_to_json(spec.boot)},
            {"load", requests_to_json(spec.load)},
            {"group", group_spec_to_json(spec.group)},
            {"pasta_binary", spec.pasta_binary},
            {"control_link", spec.control_link},
            {"binds", binds_to_json(spec.binds)},
            {"immutable", spec.immutable},
            {"restart_on_reboot", spec.restart_on_reboot},
            {"remove_on_undo", spec.entry.how != How::kKeep},
            {"replaces", spec.entry.how == How::kReplace},
            {"tied", spec.tied},
            {"remove_at_end", spec.remove_at_end}};
  if (spec.network) json["network"] = plan_to_json(*spec.network);
  return json;
}

LaunchSpec spec_from_json(const Json& json) {
  const JsonReader reader(json, kLaunchRequest, Code::kInvalidArgument);
  LaunchSpec spec;
  spec.home = reader.string("home");
  spec.entry = entry_from_json(reader);
  spec.uuid = reader.string("uuid");
  spec.engine = store::engine_type_from_text(reader.string("engine"), kLaunchRequest);
  spec.engine_binary = reader.string("engine_binary");
  spec.engine_files = strings_from_json(reader.array("engine_files"));
  spec.kvm = reader.boolean_or("kvm", true);
  spec.file_limit = static_cast<uint64_t>(reader.integer_or("file_limit", INT64_MAX, 0, INT64_MAX));
  spec.engine_args = strings_from_json(reader.array("engine_args"));
  spec.boot = requests_from_json(reader.array("boot"));
  spec.load = requests_from_json(reader.array("load"));
  if (reader.has("network")) spec.network = plan_from_json(reader.object("network"));
  if (reader.has("group")) spec.group = group_spec_from_json(reader.object("group"));
  spec.pasta_binary = reader.string("pasta_binary");
  spec.control_link = reader.boolean_or("control_link", false);
  spec.binds = binds_from_json(reader.array("binds"));
  spec.immutable = strings_from_json(reader.array("immutable"));
  spec.restart_on_reboot = reader.boolean_or("restart_on_reboot", true);
  spec.tied = reader.boolean_or("tied", false);
  spec.remove_at_end = reader.boolean_or("remove_at_end", false);
  return spec;
}

}  // namespace knaller::monitor
