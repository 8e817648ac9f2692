#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

std::vector<std::string> ids_to_verify(Context& context) {
  const Invocation& args = context.args();
  std::vector<std::string> ids = args.arguments;
  if (args.has("all")) {
    if (!ids.empty())
      fail(Code::kInvalidArgument, "--all and the id '{}' exclude each other", printable(ids[0]));
    for (const SnapshotInfo& snapshot : context.manager().list_snapshots()) ids.push_back(snapshot.id);
  } else if (ids.empty()) {
    throw Error(Code::kInvalidArgument, "'snapshot verify' needs the id of a snapshot, or --all",
                "`knaller snapshot ls` shows what there is");
  }
  return ids;
}

Error damage_error(const VerifyResult& result) {
  return Error(Code::kCorrupt, fmt::format("snapshot {} is damaged: {}", result.id, result.reason),
               fmt::format("it can't be mended; remove it: knaller snapshot rm {}", result.id));
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

int cmd_snapshot_verify(Context& context) {
  Verifier verifier(context);
  for (const std::string& id : ids_to_verify(context))
    if (!verifier.verify(id)) break;
  return verifier.finish();
}

}  // namespace knaller::cli
