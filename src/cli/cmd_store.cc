// store du, store check: the home as a whole.
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/exit_code.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

std::string mark(const Stream& stream, const StoreFinding& finding) {
  if (finding.repaired) return styled(stream, Style::kGreen, "✓");
  if (finding.kind == StoreFinding::Kind::kDamage) return styled(stream, Style::kRed, "✗");
  return styled(stream, Style::kYellow, finding.kind == StoreFinding::Kind::kNote ? "·" : "!");
}

std::string render(const Stream& stream, const StoreReport& report) {
  std::string out;
  for (const StoreFinding& finding : report.findings) {
    out += fmt::format("{} {}: {}", mark(stream, finding), printable(finding.path), printable(finding.text));
    if (finding.kind == StoreFinding::Kind::kLeftover)
      out += fmt::format(" ({} {})", finding.repaired ? "freed" : "holds", format_bytes(finding.frees_bytes));
    if (finding.kind == StoreFinding::Kind::kAccess && finding.repaired) out += " (repaired)";
    out += "\n";
    if (!finding.remedy.empty()) out += "  → " + printable(finding.remedy) + "\n";
  }
  return out;
}

std::string summary(const StoreReport& report, bool repair) {
  std::string text = report.clean ? "the store is clean" : "the store is not clean";
  if (repair) text += fmt::format("; freed {} bytes", report.freed_bytes);
  if (report.freeable_bytes > 0) text += fmt::format("; a repair would free {} bytes", report.freeable_bytes);
  return text;
}

Error unclean_error(const StoreReport& report) {
  size_t count = 0;
  for (const StoreFinding& finding : report.findings)
    if (!finding.repaired && finding.kind != StoreFinding::Kind::kNote) ++count;
  return Error(Code::kCorrupt, fmt::format("{} things in the store are not as they should be", count),
               "`knaller store check --repair` repairs what can be repaired");
}

}  // namespace

int cmd_store_du(Context& context) {
  const StoreUsage usage = context.manager().measure_store(context.stop());
  Output& out = context.out();
  if (out.json())
    out.document(to_json(usage));
  else
    out.raw(usage_table(usage, context.args().has("bytes")));
  for (const std::string& folder : usage.unreadable)
    out.warning(fmt::format("'{}' could not be looked into", printable(folder)));
  return 0;
}

int cmd_store_check(Context& context) {
  const bool repair = context.args().has("repair");
  const StoreReport report = context.manager().check_store({.repair = repair, .stop = context.stop()});
  Output& out = context.out();
  context.progress().finish();
  if (out.json()) {
    out.document(to_json(report));
    if (!report.clean) out.error(unclean_error(report));
  } else {
    out.raw(render(out.out(), report));
    out.note(summary(report, repair));
  }
  return report.clean ? 0 : exit_code_of(Code::kCorrupt);
}

}  // namespace knaller::cli
