// snapshot export, snapshot import.
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

void refuse_terminal(int fd, const std::string& what) {
  if (::isatty(fd) != 0)
    throw Error(Code::kInvalidArgument, what, "name a file, or use a pipe: `knaller help snapshot export`");
}

ExportOptions export_options(Context& context) {
  const Invocation& args = context.args();
  const std::string& file = args.arguments[1];
  ExportOptions options{.snapshot = args.arguments[0],
                        .replace = args.has("force"),
                        .thin = args.has("thin"),
                        .level = static_cast<int>(args.get<int64_t>("level").value_or(3)),
                        .threads = static_cast<unsigned>(args.get<int64_t>("threads").value_or(0)),
                        .stop = context.stop()};
  if (file == "-")
    options.output_fd = STDOUT_FILENO;
  else
    options.file = file;
  return options;
}

// Standard output may be the stream itself.
void show_export(Context& context, const ExportResult& result, const std::string& file) {
  Output& out = context.out();
  if (out.json() && !file.empty()) {
    Json document{{"snapshot", to_json(result.snapshot)},
                  {"file", file},
                  {"data_bytes", result.data_bytes},
                  {"stream_bytes", result.stream_bytes},
                  {"has_key", result.has_key},
                  {"left_out", result.left_out}};
    context.add_timings(document);
    out.document(std::move(document));
    return;
  }
  out.note(fmt::format("exported {}: {} as {}", result.snapshot.id, format_bytes(result.data_bytes),
                       format_bytes(result.stream_bytes)));
  if (!result.left_out.empty())
    out.note(fmt::format("left out, so the home that imports it must have the same: {}",
                         fmt::join(result.left_out, ", ")));
  out.note(result.has_key ? "it holds the guest's memory, and the SSH key that opens VMs made from it"
                          : "it holds the guest's memory");
  context.show_timings();
}

}  // namespace

int cmd_snapshot_export(Context& context) {
  const ExportOptions options = export_options(context);
  if (options.output_fd >= 0) refuse_terminal(STDOUT_FILENO, "a snapshot can't be written to a terminal");
  ExportResult result;
  suggest_snapshot(context, options.snapshot, [&] { result = context.manager().export_snapshot(options); });
  context.progress().finish();
  show_export(context, result, options.file);
  return 0;
}

int cmd_snapshot_import(Context& context) {
  const std::string& from = context.args().arguments[0];
  const Invocation& args = context.args();
  ImportOptions options{.name = args.text("name"),
                        .keep_name = args.has("keep-name"),
                        .force = args.has("force"),
                        .stop = context.stop()};
  if (from == "-") {
    refuse_terminal(STDIN_FILENO, "a snapshot can't be read from a terminal");
    options.input_fd = STDIN_FILENO;
  } else {
    options.path = from;
  }
  const ImportResult result = context.manager().import_snapshot(options);
  Output& out = context.out();
  context.progress().finish();
  if (out.json()) {
    Json document{{"snapshot", to_json(result.snapshot)},
                  {"was_there", result.was_there},
                  {"was", result.was.empty() ? Json() : Json(result.was)},
                  {"dropped_name", result.dropped_name.empty() ? Json() : Json(result.dropped_name)}};
    context.add_timings(document);
    out.document(std::move(document));
    return 0;
  }
  out.note(result.was_there ? fmt::format("{} is here already: nothing to do", result.snapshot.id)
                            : fmt::format("imported {} of VM '{}': {} on disk", result.snapshot.id,
                                          printable(result.snapshot.vm_name),
                                          format_bytes(result.snapshot.allocated_bytes)));
  out.result(result.snapshot.id);
  context.show_timings();
  return 0;
}

}  // namespace knaller::cli
