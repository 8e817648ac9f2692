// snapshot create and rm, rollback.
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/creation.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

// Its output goes where knaller's own messages go: standard output is for the snapshot's id.
void run_while_paused(const std::vector<std::string>& command, const PausedVm& vm, std::stop_token stop) {
  constexpr std::string_view kDirectory = "KNALLER_SNAPSHOT_DIR=";
  std::vector<std::string> environment{std::string(kDirectory) + vm.directory};
  // Inherited, it is of another snapshot, whose command this one was started by.
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!std::string_view(*variable).starts_with(kDirectory)) environment.emplace_back(*variable);
  const std::string what = fmt::format("the command for the pause, '{}'", printable(command[0]));
  Child child = spawn({.argv = command,
                       .search_path = true,
                       .environment = std::move(environment),
                       .stdout_fd = STDERR_FILENO,
                       .stderr_fd = STDERR_FILENO,
                       .own_group = true});
  const auto status = child.wait(Deadline::at(vm.deadline, std::move(stop)));
  if (!status)
    throw Error(Code::kTimeout, what + " took longer than the pause may last",
                "allow the pause more time with --max-pause");
  if (!status->success()) throw Error(Code::kIo, fmt::format("{} failed: {}", what, status->describe()));
}

void add_while_paused(const Invocation& args, SnapshotOptions& options) {
  if (args.has("while-paused") != !args.tail.empty())
    throw Error(Code::kInvalidArgument, "--while-paused needs a command after --, and the other way round",
                "knaller snapshot create VM --while-paused -- CMD ARG…");
  if (args.tail.empty()) return;
  options.while_paused = [command = args.tail, stop = options.stop](const PausedVm& vm) {
    run_while_paused(command, vm, stop);
  };
}

SnapshotOptions snapshot_options(Context& context) {
  const Invocation& args = context.args();
  SnapshotOptions options;
  if (args.command->path == "snapshot") {
    // `knaller snapshot --name web`, the Go program's form: the name is the VM's.
    const auto vm = args.get<std::string>("name");
    if (!vm)
      throw Error(Code::kInvalidArgument, "'snapshot' needs a second word",
                  "`knaller help snapshot` lists them; `knaller snapshot create VM` takes a snapshot");
    options.vm = *vm;
  } else {
    options.vm = args.arguments[0];
    options.name = args.text("name");
  }
  for (const auto& [key, value] : args.all<Assignment>("label"))
    options.labels.insert_or_assign(key, value.value_or(""));
  options.durable = !args.has("no-sync");
  read_capture_settings(context, options.max_pause, options.capture);
  options.disk = !args.has("no-disk");
  options.wait = !args.has("no-wait");
  options.stop = context.stop();
  add_while_paused(args, options);
  return options;
}

}  // namespace

int cmd_snapshot_create(Context& context) {
  const SnapshotOptions options = snapshot_options(context);
  check_vm_name(options.vm);
  Output& out = context.out();
  SnapshotInfo snapshot;
  suggest_vm(context, options.vm, [&] { snapshot = context.manager().create_snapshot(options); });
  context.progress().finish();
  if (out.json()) {
    Json document{{"snapshot", to_json(snapshot)}};
    context.add_timings(document);
    out.document(std::move(document));
    return 0;
  }
  out.note(fmt::format(
      "snapshot of VM '{}': {} on disk, the VM {}", options.vm, format_bytes(snapshot.allocated_bytes),
      snapshot.paused_at ? "stood still for " + format_duration(snapshot.paused) : "was paused already"));
  out.result(snapshot.id);
  context.show_timings();
  return 0;
}

int cmd_snapshot_rm(Context& context) {
  std::vector<std::string> ids = context.args().arguments;
  for (const std::string& id : context.args().all<std::string>("id")) ids.push_back(id);
  if (ids.empty())
    throw Error(Code::kInvalidArgument, "'snapshot rm' needs the id of a snapshot",
                "`knaller snapshot ls` shows what there is");
  const RemoveOptions options{.force = context.args().has("force"), .stop = context.stop()};
  return for_each_name(context, ids, [&](const std::string& id) {
    suggest_snapshot(context, id, [&] { context.manager().remove_snapshot(id, options); });
    return Json{{"removed", true}};
  });
}

int cmd_rollback(Context& context) {
  const Invocation& args = context.args();
  Output& out = context.out();
  RollbackOptions options{.name = args.arguments[0],
                          .snapshot = args.arguments.size() > 1 ? args.arguments[1] : "",
                          .safety = !args.has("no-safety"),
                          .force = args.has("force"),
                          .verify = args.has("verify"),
                          .wait = wait_options(context),
                          .stop = context.stop()};
  read_capture_settings(context, options.max_pause, options.capture);
  check_vm_name(options.name);
  suggest_vm(context, options.name, [&] { context.manager().inspect(options.name); });
  if (!options.snapshot.empty())
    suggest_snapshot(context, options.snapshot,
                     [&] { context.manager().inspect_snapshot(options.snapshot); });
  const RollbackResult result = context.manager().roll_back(options);
  context.progress().finish();
  const std::string& safety = result.safety_snapshot;
  if (out.json()) {
    Json document{{"vm", to_json(result.vm)},
                  {"snapshot", result.snapshot},
                  {"safety_snapshot", safety.empty() ? Json(nullptr) : Json(safety)}};
    context.add_timings(document);
    out.document(std::move(document));
  } else {
    out.note(fmt::format("VM '{}' is back at {}{}", result.vm.name, result.snapshot,
                         safety.empty() ? "" : fmt::format("; what it was before is in {}", safety)));
    if (!safety.empty()) out.result(safety);
  }
  context.show_timings();
  return 0;
}

}  // namespace knaller::cli
