#include "base/error.h"
#include "base/json.h"
#include "cli/capture.h"
#include "cli/commands.h"
#include "cli/creation.h"
#include "cli/view.h"

namespace knaller::cli {

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
