// snapshot protect, unprotect, label, rename, prune, verify.
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/exit_code.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

Json change(Context& context, const std::string& id, const SnapshotChange& change) {
  SnapshotInfo snapshot;
  suggest_snapshot(context, id, [&] { snapshot = context.manager().change_snapshot(id, change); });
  return to_json(snapshot);
}

int set_protection(Context& context, bool is_protected) {
  return for_each_name(context, context.args().arguments, [&](const std::string& id) {
    return change(context, id, {.is_protected = is_protected, .stop = context.stop()});
  });
}

// KEY=VALUE sets, KEY- removes.
void take_label(const std::string& word, SnapshotChange& change) {
  if (word.find('=') == std::string::npos && word.size() > 1 && word.ends_with('-')) {
    change.remove_labels.push_back(word.substr(0, word.size() - 1));
  } else {
    const auto [key, value] = label_of(word);
    change.set_labels.insert_or_assign(key, value.value_or(""));
  }
}

PruneOptions prune_options(Context& context) {
  const Invocation& args = context.args();
  PruneOptions options;
  options.vm = args.text("vm");
  for (const auto& [key, value] : args.all<Assignment>("label")) options.labels.emplace_back(key, value);
  if (const auto count = args.get<int64_t>("keep-last")) options.keep_last = static_cast<uint64_t>(*count);
  options.max_age = args.get<std::chrono::milliseconds>("max-age");
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

std::vector<std::string> ids_to_verify(Context& context) {
  const Invocation& args = context.args();
  std::vector<std::string> ids = args.arguments;
  if (args.has("all")) {
    if (!ids.empty())
      fail(Code::kInvalidArgument, "--all and the id '{}' can't be used together", printable(ids[0]));
    for (const SnapshotInfo& snapshot : context.manager().list_snapshots()) ids.push_back(snapshot.id);
  } else if (ids.empty()) {
    throw Error(Code::kInvalidArgument, "'snapshot verify' needs the id of a snapshot, or --all",
                "`knaller snapshot ls` shows what there is");
  }
  return ids;
}

Error damage_error(const VerifyResult& result) {
  return Error(Code::kCorrupt, fmt::format("snapshot {} is damaged: {}", result.id, result.reason),
               fmt::format("it can't be repaired; remove it: knaller snapshot rm {}", result.id));
}

// Goes on after damage and errors; the exit code is the first one's.
class Verifier {
 public:
  explicit Verifier(Context& context) : context_(context) {}

  // False: the user wants no more of it.
  bool verify(const std::string& id) {
    try {
      VerifyResult result;
      suggest_snapshot(context_, id,
                       [&] { result = context_.manager().verify_snapshot(id, {.stop = context_.stop()}); });
      context_.progress().finish();
      documents_.push_back({{"name", id}, {"result", to_json(result)}});
      if (result.status == VerifyResult::Status::kDamaged) tell(damage_error(result));
      results_.push_back(std::move(result));
    } catch (const Error& error) {
      context_.progress().finish();
      documents_.push_back({{"name", id}, {"error", error_to_json(error)}});
      tell(error);
      return error.code() != Code::kCancelled;
    }
    return true;
  }

  int finish() {
    Output& out = context_.out();
    if (out.json()) {
      Json document{{"results", std::move(documents_)}};
      context_.add_timings(document);
      out.document(std::move(document));
    } else if (out.quiet()) {
      for (const VerifyResult& result : results_)
        if (result.status == VerifyResult::Status::kDamaged) out.result(result.id);
    } else if (!results_.empty()) {
      out.raw(verify_table(results_));
    }
    context_.show_timings();
    return exit_code_;
  }

 private:
  void tell(const Error& error) {
    context_.out().error(error);
    if (exit_code_ != 0) return;
    exit_code_ = error.code() == Code::kCancelled ? context_.cancelled_code() : exit_code_of(error.code());
  }

  Context& context_;
  std::vector<VerifyResult> results_;
  Json documents_ = Json::array();
  int exit_code_ = 0;
};

}  // namespace

int cmd_snapshot_protect(Context& context) {
  return set_protection(context, true);
}

int cmd_snapshot_unprotect(Context& context) {
  return set_protection(context, false);
}

int cmd_snapshot_label(Context& context) {
  const std::vector<std::string>& words = context.args().arguments;
  SnapshotChange labels{.stop = context.stop()};
  for (size_t at = 1; at < words.size(); ++at) take_label(words[at], labels);
  return for_each_name(context, {words[0]},
                       [&](const std::string& id) { return change(context, id, labels); });
}

int cmd_snapshot_rename(Context& context) {
  const std::vector<std::string>& words = context.args().arguments;
  return for_each_name(context, {words[0]}, [&](const std::string& id) {
    return change(context, id, {.name = words[1], .stop = context.stop()});
  });
}

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
    out.note(fmt::format("{} {} snapshot{}, {} ({} bytes)", options.dry_run ? "would remove" : "removed",
                         result.removed.size(), result.removed.size() == 1 ? "" : "s",
                         format_bytes(result.freed_bytes), result.freed_bytes));
  }
  return 0;
}

int cmd_snapshot_verify(Context& context) {
  Verifier verifier(context);
  for (const std::string& id : ids_to_verify(context))
    if (!verifier.verify(id)) break;
  return verifier.finish();
}

}  // namespace knaller::cli
