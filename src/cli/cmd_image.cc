#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/creation.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

int show_image(Context& context, const ImageInfo& image) {
  Output& out = context.out();
  context.progress().finish();
  if (out.json()) {
    Json document{{"image", to_json(image)}};
    context.add_timings(document);
    out.document(std::move(document));
    return 0;
  }
  out.note(fmt::format("image '{}': Linux {}, {}", image.name, printable(image.kernel_version),
                       format_bytes(image.allocated_bytes)));
  out.result(image.name);
  context.show_timings();
  return 0;
}

std::string absolute_file(const Invocation& args, std::string_view flag, bool required) {
  const auto path = args.value(flag);
  if (!path && required) fail(Code::kInvalidArgument, "image import needs --{}", flag);
  if (!path) return {};
  return std::filesystem::absolute(expand_tilde(*path, ::getenv)).lexically_normal().string();
}

}  // namespace

int cmd_image_build(Context& context) {
  const Invocation& args = context.args();
  ImageBuildOptions options;
  options.kind = args.arguments[0];
  if (options.kind != "tiny" && options.kind != "debian") {
    const std::string near = nearest(options.kind, {"tiny", "debian"});
    throw Error(Code::kInvalidArgument, fmt::format("'{}' is no kind of image", printable(options.kind)),
                near.empty() ? "there are: tiny, debian" : fmt::format("did you mean '{}'?", near));
  }
  options.name = args.value("name").value_or("");
  if (const auto size = args.value("size")) options.disk_mib = mebibytes_of({*size, "--size"});
  options.packages = args.all("package");
  options.replace = args.has("replace");
  options.stop = context.stop();
  return show_image(context, context.manager().build_image(options));
}

int cmd_image_import(Context& context) {
  const Invocation& args = context.args();
  ImageImportOptions options;
  options.name = args.arguments[0];
  options.kernel = absolute_file(args, "kernel", true);
  options.rootfs = absolute_file(args, "rootfs", true);
  options.initrd = absolute_file(args, "initrd", false);
  options.stop = context.stop();
  options.engine = engine_choice(context);
  return show_image(context, context.manager().import_image(options));
}

int cmd_image_rm(Context& context) {
  const RemoveOptions options{.force = context.args().has("force"), .stop = context.stop()};
  return for_each_name(context, context.args().arguments, [&](const std::string& name) {
    suggest_image(context, name, [&] { context.manager().remove_image(name, options); });
    return Json{{"removed", true}};
  });
}

}  // namespace knaller::cli
