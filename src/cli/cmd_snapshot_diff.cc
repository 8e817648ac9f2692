#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"

namespace knaller::cli {
namespace {

std::string_view kind_name(FileChange::Kind kind) {
  switch (kind) {
    case FileChange::Kind::kAdded:
      return "added";
    case FileChange::Kind::kRemoved:
      return "removed";
    case FileChange::Kind::kChanged:
      break;
  }
  return "changed";
}

char kind_mark(FileChange::Kind kind) {
  return kind == FileChange::Kind::kAdded ? '+' : kind == FileChange::Kind::kRemoved ? '-' : '~';
}

Json to_document(const SnapshotDiff& diff) {
  Json files = Json::array();
  for (const FileChange& file : diff.files)
    files.push_back({{"change", kind_name(file.kind)},
                     {"path", printable(file.path)},
                     {"type", file.type},
                     {"size", file.size},
                     {"what", file.what}});
  Json settings = Json::array();
  for (const SettingChange& setting : diff.settings)
    settings.push_back({{"name", setting.name}, {"a", setting.a}, {"b", setting.b}});
  return {{"a", diff.a},
          {"b", diff.b},
          {"files", std::move(files)},
          {"files_reason", diff.files_reason.empty() ? Json(nullptr) : Json(diff.files_reason)},
          {"memory_reason", diff.memory_reason.empty() ? Json(nullptr) : Json(diff.memory_reason)},
          {"memory", {{"pages", diff.memory_pages}, {"differing_pages", diff.differing_pages}}},
          {"devices",
           {{"same", diff.same_devices}, {"bytes_a", diff.device_bytes_a}, {"bytes_b", diff.device_bytes_b}}},
          {"settings", std::move(settings)}};
}

std::string file_line(const FileChange& file) {
  std::string line = fmt::format("{} {}", kind_mark(file.kind), printable(file.path));
  if (file.type == "directory" && file.path != "/") line += '/';
  if (!file.what.empty()) line += fmt::format(" ({})", fmt::join(file.what, ", "));
  return line;
}

std::string files_summary(const SnapshotDiff& diff) {
  if (!diff.files_reason.empty()) return "files: not compared, " + diff.files_reason;
  const auto count = [&diff](FileChange::Kind kind) {
    return std::count_if(diff.files.begin(), diff.files.end(),
                         [kind](const FileChange& file) { return file.kind == kind; });
  };
  return fmt::format("files: {} added, {} changed, {} removed", count(FileChange::Kind::kAdded),
                     count(FileChange::Kind::kChanged), count(FileChange::Kind::kRemoved));
}

void print_memory(Output& out, const SnapshotDiff& diff) {
  if (!diff.memory_reason.empty())
    return out.result("memory and devices: not compared, " + diff.memory_reason);
  out.result(fmt::format("memory: {} of {} pages differ ({})", diff.differing_pages, diff.memory_pages,
                         format_bytes(diff.differing_pages * 4096)));
  out.result(diff.same_devices ? fmt::format("devices: same state")
                               : fmt::format("devices: another state ({} and {} bytes)", diff.device_bytes_a,
                                             diff.device_bytes_b));
}

void print(Output& out, const SnapshotDiff& diff) {
  for (const FileChange& file : diff.files) out.result(file_line(file));
  if (!diff.files.empty()) out.result("");
  out.result(files_summary(diff));
  print_memory(out, diff);
  for (const SettingChange& setting : diff.settings)
    out.result(fmt::format("{}: {} -> {}", setting.name, setting.a.empty() ? "-" : printable(setting.a),
                           setting.b.empty() ? "-" : printable(setting.b)));
}

}  // namespace

int cmd_snapshot_diff(Context& context) {
  const std::vector<std::string>& ids = context.args().arguments;
  Output& out = context.out();
  SnapshotDiff diff;
  for (const std::string& id : ids)
    suggest_snapshot(context, id, [&] { context.manager().inspect_snapshot(id); });
  diff = context.manager().diff_snapshots(ids[0], ids[1], {.stop = context.stop()});
  context.progress().finish();
  if (out.json()) {
    Json document = to_document(diff);
    context.add_timings(document);
    out.document(std::move(document));
  } else if (out.quiet()) {
    for (const FileChange& file : diff.files) out.result(file_line(file));
  } else {
    print(out, diff);
  }
  context.show_timings();
  return 0;
}

}  // namespace knaller::cli
