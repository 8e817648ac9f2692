// doctor, and rows of checks as people and programs read them.
#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/creation.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

std::string mark(const Stream& stream, CheckRow::Result result) {
  switch (result) {
    case CheckRow::Result::kOk:
      return styled(stream, Style::kGreen, "✓");
    case CheckRow::Result::kWarning:
      return styled(stream, Style::kYellow, "!");
    case CheckRow::Result::kFailed:
      break;
  }
  return styled(stream, Style::kRed, "✗");
}

std::string render(const Stream& stream, const std::vector<CheckRow>& rows) {
  size_t widest = 0;
  for (const CheckRow& row : rows) widest = std::max(widest, display_width(row.name));
  std::string out;
  for (const CheckRow& row : rows) {
    const std::string gap(widest - display_width(row.name) + 2, ' ');
    out += mark(stream, row.result) + " " + row.name + gap + printable(row.detail) + "\n";
    if (!row.remedy.empty()) out += std::string(widest + 4, ' ') + "→ " + printable(row.remedy) + "\n";
  }
  return out;
}

}  // namespace

bool print_checks(Context& context, const std::vector<CheckRow>& rows) {
  const bool failed = std::any_of(
      rows.begin(), rows.end(), [](const CheckRow& row) { return row.result == CheckRow::Result::kFailed; });
  if (context.out().json()) {
    Json checks = Json::array();
    for (const CheckRow& row : rows) checks.push_back(to_json(row));
    context.out().document({{"ok", !failed}, {"checks", std::move(checks)}});
  } else {
    context.out().raw(render(context.out().out(), rows));
  }
  return !failed;
}

int cmd_doctor(Context& context) {
  return print_checks(context, doctor(context.manager_options(), engine_choice(context))) ? 0 : 1;
}

}  // namespace knaller::cli
