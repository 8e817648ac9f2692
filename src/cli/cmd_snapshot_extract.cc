#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_code.h"

namespace knaller::cli {
namespace {

// Standard output carries the files, so nothing else may.
void require_stream(const Context& context, const Output& out) {
  if (context.args().has("json"))
    throw Error(Code::kInvalidArgument, "--json and '-o -' exclude each other",
                "standard output can carry one of them only");
  if (out.out().terminal)
    throw Error(Code::kInvalidArgument, "an archive is not written to a terminal",
                "knaller snapshot extract ID PATH -o - | tar -x");
}

void tell(Context& context, const ExtractResult& result, const std::string& destination) {
  Output& out = context.out();
  for (const std::string& name : result.skipped)
    out.note(fmt::format("left out '{}': it is a device, a pipe or a socket", printable(name)));
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

}  // namespace

int cmd_snapshot_extract(Context& context) {
  const Invocation& args = context.args();
  Output& out = context.out();
  ExtractOptions options{.snapshot = args.arguments[0],
                         .paths = {args.arguments.begin() + 1, args.arguments.end()},
                         .destination = args.value("output").value_or("."),
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

}  // namespace knaller::cli
