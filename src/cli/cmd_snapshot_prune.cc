#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/labels.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

PruneOptions prune_options(Context& context) {
  const Invocation& args = context.args();
  PruneOptions options;
  options.vm = args.value("vm").value_or("");
  for (const std::string& text : args.all("label")) options.labels.push_back(label_rule(text));
  if (const auto count = args.value("keep-last")) {
    const auto number = parse_integer(*count, 0, INT32_MAX);
    if (!number) fail(Code::kInvalidArgument, "--keep-last: '{}' is no number", printable(*count));
    options.keep_last = static_cast<uint64_t>(*number);
  }
  if (const auto age = args.value("max-age")) {
    options.max_age = parse_duration(*age);
    if (!options.max_age)
      throw Error(Code::kInvalidArgument, fmt::format("--max-age: '{}' is no time", printable(*age)),
                  "as in 12h, 7d or 2w");
  }
  options.dry_run = args.has("dry-run");
  options.stop = context.stop();
  return options;
}

Json document_of(const PruneResult& result, bool dry_run) {
  Json removed = Json::array();
  for (const PrunedSnapshot& pruned : result.removed)
    removed.push_back({{"snapshot", to_json(pruned.snapshot)}, {"freed_bytes", pruned.freed_bytes}});
  return {{"dry_run", dry_run}, {"removed", std::move(removed)}, {"freed_bytes", result.freed_bytes}};
}

}  // namespace

int cmd_snapshot_prune(Context& context) {
  const PruneOptions options = prune_options(context);
  const PruneResult result = context.manager().prune_snapshots(options);
  Output& out = context.out();
  context.progress().finish();
  if (out.json()) {
    out.document(document_of(result, options.dry_run));
  } else if (out.quiet()) {
    for (const PrunedSnapshot& pruned : result.removed) out.result(pruned.snapshot.id);
  } else {
    if (!result.removed.empty()) out.raw(prune_table(result, std::chrono::system_clock::now()));
    out.note(fmt::format("{} {} snapshots, {} ({} bytes)", options.dry_run ? "would remove" : "removed",
                         result.removed.size(), format_bytes(result.freed_bytes), result.freed_bytes));
  }
  return 0;
}

}  // namespace knaller::cli
