#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/labels.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

SnapshotOptions snapshot_options(Context& context) {
  const Invocation& args = context.args();
  SnapshotOptions options;
  if (args.command->path == "snapshot") {
    // `knaller snapshot --name web`, the Go program's form: the name is the VM's.
    const auto vm = args.value("name");
    if (!vm)
      throw Error(Code::kInvalidArgument, "'snapshot' needs a second word",
                  "there are: create, ls, inspect, rm; `knaller snapshot create VM` takes one");
    options.vm = *vm;
  } else {
    options.vm = args.arguments[0];
    options.name = args.value("name").value_or("");
  }
  for (const std::string& text : args.all("label"))
    options.labels.insert_or_assign(label_of(text).first, label_of(text).second);
  options.durable = !args.has("no-sync");
  if (const auto longest = context.settings().duration("max_pause")) options.max_pause = *longest;
  options.stop = context.stop();
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
  out.note(fmt::format("snapshot of VM '{}': {} on disk, the VM stood still for {}", options.vm,
                       format_bytes(snapshot.allocated_bytes), format_duration(snapshot.paused)));
  out.result(snapshot.id);
  context.show_timings();
  return 0;
}

int cmd_snapshot_rm(Context& context) {
  std::vector<std::string> ids = context.args().arguments;
  for (const std::string& id : context.args().all("id")) ids.push_back(id);
  if (ids.empty())
    throw Error(Code::kInvalidArgument, "'snapshot rm' needs the id of a snapshot",
                "`knaller snapshot ls` shows what there is");
  const RemoveOptions options{.force = context.args().has("force"), .stop = context.stop()};
  return for_each_name(context, ids, [&](const std::string& id) {
    suggest_snapshot(context, id, [&] { context.manager().remove_snapshot(id, options); });
    return Json{{"removed", true}};
  });
}

}  // namespace knaller::cli
