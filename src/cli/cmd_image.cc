#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/context.h"
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

std::string required_file(const Invocation& args, std::string_view flag) {
  if (!args.has(flag)) fail(Code::kInvalidArgument, "image import needs --{}", flag);
  return args.text(flag);
}

}  // namespace

int cmd_image_build(Context& context) {
  const Invocation& args = context.args();
  ImageBuildOptions options;
  options.kind = args.arguments[0];
  options.name = args.text("name");
  if (const auto mib = args.get<int64_t>("size")) options.disk_mib = static_cast<uint64_t>(*mib);
  options.packages = args.all<std::string>("package");
  options.replace = args.has("replace");
  options.stop = context.stop();
  return show_image(context, context.manager().build_image(options));
}

int cmd_image_import(Context& context) {
  const Invocation& args = context.args();
  ImageImportOptions options;
  options.name = args.arguments[0];
  options.kernel = required_file(args, "kernel");
  options.rootfs = required_file(args, "rootfs");
  options.initrd = args.text("initrd");
  options.replace = args.has("replace");
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
