// stats, wait, events: VMs are watched, and nothing is changed.
#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/exit_code.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

constexpr std::chrono::milliseconds kShortestInterval{100};
// The cursor to the upper left corner, and away with what is there.
constexpr std::string_view kAnew = "\x1b[H\x1b[J";

StatsOptions stats_options(Context& context) {
  const Invocation& args = context.args();
  StatsOptions options{
      .names = args.arguments, .stream = args.has("stream"), .pss = args.has("pss"), .stop = context.stop()};
  for (const std::string& name : options.names) check_vm_name(name);
  if (const auto interval = args.get<std::chrono::milliseconds>("interval")) options.interval = *interval;
  if (options.interval < kShortestInterval) fail(Code::kInvalidArgument, "--interval must be at least 100ms");
  return options;
}

void print_stats_json(Output& out, const std::vector<VmStats>& vms, bool stream) {
  Json list = Json::array();
  std::string lines;
  for (const VmStats& vm : vms) {
    if (stream)
      lines += json_line(to_json(vm));
    else
      list.push_back(to_json(vm));
  }
  if (stream)
    out.raw(lines);
  else
    out.document({{"vms", std::move(list)}});
}

std::string render_stats(Output& out, const std::vector<VmStats>& vms, const std::optional<Format>& format) {
  if (!format) return stats_table(vms);
  std::vector<Fields> rows;
  for (const VmStats& vm : vms) rows.push_back(fields_of(vm));
  return format->render(rows, out.out().terminal);
}

}  // namespace

int cmd_stats(Context& context) {
  Output& out = context.out();
  const StatsOptions options = stats_options(context);
  std::optional<Format> format;
  if (const auto text = context.args().get<std::string>("format"))
    format.emplace(*text, fields_of(VmStats{}));
  bool first = true;
  const auto take = [&](const std::vector<VmStats>& vms) {
    if (out.json()) return print_stats_json(out, vms, options.stream);
    const std::string text = render_stats(out, vms, format);
    if (options.stream && !format && out.out().bar) return out.raw(std::string(kAnew) + text);
    if (!first && !format) out.raw("\n");
    first = false;
    out.raw(text);
  };
  return until_cancelled(context, [&] { context.manager().stats(options, take); });
}

namespace {

// The parser takes no other word.
WaitTarget target_of(const std::string& word) {
  if (word == "running") return WaitTarget::kRunning;
  return word == "ready" ? WaitTarget::kReady : WaitTarget::kStopped;
}

int exit_code_of_wait(const Waited& waited) {
  if (waited.error) return exit_code_of(waited.error->code());
  return waited.vm.state == VmState::kCrashed ? exit_code_of(Code::kEngineDied) : 0;
}

void print_waited(Output& out, const Waited& waited) {
  if (waited.error) return out.error(*waited.error);
  if (out.json()) return;
  if (out.quiet()) return out.result(waited.name);
  std::string line = waited.name + ": " + to_string(waited.vm.state);
  if (!waited.vm.reason.empty()) line += ": " + printable(waited.vm.reason);
  out.result(line);
}

}  // namespace

int cmd_wait(Context& context) {
  const Invocation& args = context.args();
  Output& out = context.out();
  VmWaitOptions options{.names = named_vms(context, [](const VmInfo&) { return false; }),
                        .any = args.has("any"),
                        .on_each = [&out](const Waited& waited) { print_waited(out, waited); },
                        .stop = context.stop()};
  options.target = target_of(args.text("for"));
  if (const auto timeout = args.get<std::chrono::milliseconds>("timeout")) options.timeout = *timeout;
  const std::vector<Waited> all = context.manager().wait_for(options);
  int exit_code = 0;
  Json results = Json::array();
  for (const Waited& waited : all) {
    // With --any, that another one is not there is told, and does not make the wait fail.
    const bool counts = !options.any || !waited.error;
    if (exit_code == 0 && counts) exit_code = exit_code_of_wait(waited);
    results.push_back(waited.error ? Json{{"name", waited.name}, {"error", error_to_json(*waited.error)}}
                                   : Json{{"name", waited.name}, {"result", to_json(waited.vm)}});
  }
  const auto is_there = [](const Waited& waited) { return !waited.error; };
  if (options.any && std::none_of(all.begin(), all.end(), is_there) && !all.empty())
    exit_code = exit_code_of_wait(all.front());
  if (out.json()) out.document({{"results", std::move(results)}});
  return exit_code;
}

namespace {

SystemTime since_of(const std::string& text) {
  if (const auto time = parse_time(text)) return *time;
  if (const auto ago = parse_duration(text)) return std::chrono::system_clock::now() - *ago;
  throw Error(Code::kInvalidArgument, fmt::format("--since: '{}' is not a time", printable(text)),
              "it is one as in 2026-11-23T09:26:15Z, or how long ago, as in 10m");
}

}  // namespace

int cmd_events(Context& context) {
  const Invocation& args = context.args();
  Output& out = context.out();
  EventsOptions options{.names = args.arguments, .follow = args.has("follow"), .stop = context.stop()};
  for (const std::string& name : options.names) check_vm_name(name);
  if (const auto since = args.get<std::string>("since")) options.since = since_of(*since);
  Json list = Json::array();
  const auto take = [&](const VmEvent& event) {
    if (!out.json()) return out.result(event_text(event));
    if (options.follow) return out.raw(json_line(to_json(event)));
    list.push_back(to_json(event));
  };
  const int exit_code = until_cancelled(context, [&] { context.manager().events(options, take); });
  if (out.json() && !options.follow) out.document({{"events", std::move(list)}});
  return exit_code;
}

}  // namespace knaller::cli
