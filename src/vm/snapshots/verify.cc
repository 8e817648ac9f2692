#include "vm/snapshots/verify.h"

#include "base/error.h"
#include "base/file.h"
#include "store/verify.h"
#include "vm/snapshots/snapshot.h"

namespace knaller::vm {
namespace {

using store::Kind;

// A snapshot that is removed while it is read looks damaged.
void require_still_there(const Context& context, const std::string& id, int directory) {
  if (!is_still_named(context.home.folder(Kind::kSnapshot), id, directory))
    fail(Code::kNotFound, "snapshot {} was removed meanwhile", id);
}

}  // namespace

VerifyResult verify_snapshot(const Context& context, const std::string& reference,
                             const VerifyOptions& options) {
  const store::SnapshotId id = find_snapshot(context, reference);
  const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, id.str());
  context.step(fmt::format("verifying {}", id.str()));
  const PhaseTimer timer(context, "verify " + id.str());
  const store::Verification found = store::verify_snapshot(
      directory.get(), id, Deadline::never(options.stop), [&](uint64_t done, uint64_t total) {
        context.tell({.kind = EventKind::kProgress, .done = done, .total = total});
      });
  VerifyResult result{.id = id.str(), .checked_bytes = found.checked_bytes};
  if (!found.has_digests) {
    result.status = VerifyResult::Status::kUnverifiable;
    result.reason = "it is of the Go program, which stores no digests";
  }
  if (!found.damages.empty()) {
    require_still_there(context, id.str(), directory.get());
    result.status = VerifyResult::Status::kDamaged;
    result.reason = found.damages.front().reason;
  }
  for (const store::Damage& damage : found.damages)
    result.damages.push_back({damage.file, damage.offset, damage.reason});
  return result;
}

}  // namespace knaller::vm
