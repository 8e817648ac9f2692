// snapshot extract, snapshot diff: what is in snapshots.
#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/exit_code.h"

namespace knaller::cli {
namespace {

// Standard output carries the files, so nothing else may.
void require_stream(const Context& context, const Output& out) {
  if (context.args().has("json"))
    throw Error(Code::kInvalidArgument, "--json and '-o -' can't be used together",
                "standard output can carry one of them only");
  if (out.out().terminal)
    throw Error(Code::kInvalidArgument, "an archive is not written to a terminal",
                "knaller snapshot extract ID PATH -o - | tar -x");
}

void tell(Context& context, const ExtractResult& result, const std::string& destination) {
  Output& out = context.out();
  for (const std::string& name : result.skipped)
    out.note(fmt::format("left out '{}': it is a device, a pipe, a socket, or encrypted", printable(name)));
  if (out.json()) {
    Json document{{"snapshot", result.id}, {"destination", destination}, {"files", result.files},
                  {"bytes", result.bytes}, {"skipped", Json::array()},   {"missing", Json::array()}};
    for (const std::string& name : result.skipped) document["skipped"].push_back(printable(name));
    for (const std::string& path : result.missing) document["missing"].push_back(printable(path));
    context.add_timings(document);
    out.document(std::move(document));
  } else {
    out.note(fmt::format("{} file{} ({}) of {} to {}", result.files, result.files == 1 ? "" : "s",
                         format_bytes(result.bytes), result.id,
                         destination == "-" ? "standard output" : printable(destination)));
  }
}

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

int cmd_snapshot_extract(Context& context) {
  const Invocation& args = context.args();
  Output& out = context.out();
  ExtractOptions options{.snapshot = args.arguments[0],
                         .paths = {args.arguments.begin() + 1, args.arguments.end()},
                         .destination = args.get<std::string>("output").value_or("."),
                         .stop = context.stop()};
  if (options.destination == "-") {
    require_stream(context, out);
    options.tar = [&out](std::string_view data) { out.raw(data); };
  }
  ExtractResult result;
  suggest_snapshot(context, options.snapshot, [&] { result = context.manager().extract_snapshot(options); });
  context.progress().finish();
  tell(context, result, options.destination);
  for (const std::string& path : result.missing)
    out.error(
        Error(Code::kNotFound, fmt::format("there is no '{}' on the disk of {}", printable(path), result.id),
              "what a guest wrote in its last half minute may be in its memory only: `sync` there before "
              "the snapshot, or start it and copy the file: knaller start NAME --from-snapshot " +
                  result.id));
  context.show_timings();
  return result.missing.empty() ? 0 : exit_code_of(Code::kNotFound);
}

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
