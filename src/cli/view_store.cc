// What `store du` and `store check` show.
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/terminal.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

std::string_view kind_name(UsageRow::Kind kind) {
  switch (kind) {
    case UsageRow::Kind::kImage:
      return "image";
    case UsageRow::Kind::kSnapshot:
      return "snapshot";
    case UsageRow::Kind::kVm:
      return "vm";
    case UsageRow::Kind::kOther:
      break;
  }
  return "other";
}

std::string_view kind_name(StoreFinding::Kind kind) {
  switch (kind) {
    case StoreFinding::Kind::kLeftover:
      return "leftover";
    case StoreFinding::Kind::kAccess:
      return "access";
    case StoreFinding::Kind::kDamage:
      return "damage";
    case StoreFinding::Kind::kNote:
      break;
  }
  return "note";
}

// The members that rows and the total have.
template <typename Bytes>
Json bytes_json(const Bytes& bytes) {
  return {{"apparent_bytes", bytes.apparent_bytes},
          {"allocated_bytes", bytes.allocated_bytes},
          {"shared_bytes", bytes.shared_bytes},
          {"exclusive_bytes", bytes.exclusive_bytes}};
}

template <typename Bytes>
std::vector<std::string> bytes_cells(const Bytes& bytes, bool exact) {
  std::vector<std::string> cells;
  for (const uint64_t count :
       {bytes.apparent_bytes, bytes.allocated_bytes, bytes.shared_bytes, bytes.exclusive_bytes})
    cells.push_back(exact ? fmt::format("{}", count) : format_bytes(count));
  return cells;
}

}  // namespace

Json to_json(const StoreUsage& usage) {
  Json rows = Json::array();
  for (const UsageRow& row : usage.rows) {
    Json json = bytes_json(row);
    json["kind"] = kind_name(row.kind);
    json["name"] = row.name.empty() ? Json(nullptr) : Json(row.name);
    rows.push_back(std::move(json));
  }
  return {{"rows", std::move(rows)}, {"total", bytes_json(usage)}, {"unreadable", usage.unreadable}};
}

std::string usage_table(const StoreUsage& usage, bool exact) {
  Table table({"KIND", "NAME", "SIZE", "ON DISK", "SHARED", "EXCLUSIVE"});
  const auto add = [&](std::string_view kind, const std::string& name, std::vector<std::string> cells) {
    cells.insert(cells.begin(), {std::string(kind), name});
    table.add(std::move(cells));
  };
  for (const UsageRow& row : usage.rows) add(kind_name(row.kind), row.name, bytes_cells(row, exact));
  add("total", "", bytes_cells(usage, exact));
  return table.render();
}

Json to_json(const StoreReport& report) {
  Json findings = Json::array();
  for (const StoreFinding& finding : report.findings)
    findings.push_back({{"kind", kind_name(finding.kind)},
                        {"path", finding.path},
                        {"text", finding.text},
                        {"frees_bytes", finding.frees_bytes},
                        {"repaired", finding.repaired},
                        {"remedy", finding.remedy.empty() ? Json(nullptr) : Json(finding.remedy)}});
  return {{"clean", report.clean},
          {"findings", std::move(findings)},
          {"freeable_bytes", report.freeable_bytes},
          {"freed_bytes", report.freed_bytes}};
}

}  // namespace knaller::cli
