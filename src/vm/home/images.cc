#include "vm/home/images.h"

#include "base/error.h"
#include "base/text.h"
#include "engine/engine_family.h"
#include "store/names.h"
#include "vm/home/engine.h"
#include "vm/home/locks.h"

namespace knaller::vm {
namespace {

using store::Kind;

const char* const kBuiltOnDemand = "tiny";

image::BuildOptions build_options(const Context& context, const ImageBuildOptions& options) {
  image::BuildOptions build{.kind = image::build_kind_from_text(options.kind),
                            .name = options.name,
                            .packages = options.packages,
                            .replace = options.replace,
                            .guest_helper = context.program("guest/guest"),
                            .cache_folder = packages_folder(context),
                            .sink = context.sink};
  if (options.disk_mib != 0) build.disk_mib = options.disk_mib;
  return build;
}

[[noreturn]] void fail_unknown(const Context& context, const std::string& name) {
  const std::string near = nearest(name, context.home.entries(Kind::kImage));
  throw Error(Code::kNotFound, fmt::format("there is no image '{}'", name),
              near.empty() ? "see `knaller image ls`, or build one: knaller image build tiny"
                           : fmt::format("did you mean '{}'?", near));
}

// Where there is no engine at all, that is no reason against an image.
bool needs_pvh(const Context& context, const ImageImportOptions& options) {
  try {
    const Engine engine =
        choose_engine(context, options.engine, Deadline::after(kLockPatience, options.stop));
    return engine::family_of(engine.type).needs_pvh_kernel();
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    return false;
  }
}

}  // namespace

std::string packages_folder(const Context& context) {
  return context.home.cache_path() + "/" + layout::kPackages;
}

image::Image load_image(const Context& context, const std::string& name) {
  store::Name::parse(name, "image name");
  if (!context.home.has(Kind::kImage, name)) fail_unknown(context, name);
  return image::load(context.home, name);
}

ImageInfo build_image(const Context& context, const ImageBuildOptions& options) {
  return image::build(context.home, build_options(context, options), Deadline::never(options.stop)).info;
}

ImageInfo import_image(const Context& context, const ImageImportOptions& options) {
  return image::import(context.home,
                       {.name = options.name,
                        .kernel = options.kernel,
                        .rootfs = options.rootfs,
                        .initramfs = options.initrd,
                        .needs_pvh = needs_pvh(context, options),
                        .replace = options.replace,
                        .sink = context.sink},
                       Deadline::never(options.stop))
      .info;
}

std::vector<ImageInfo> list_images(const Context& context) {
  std::vector<ImageInfo> images;
  for (const image::Image& image : image::list(context.home)) images.push_back(image.info);
  return images;
}

ImageInfo inspect_image(const Context& context, const std::string& name) {
  return load_image(context, name).info;
}

std::string inspect_image_json(const Context& context, const std::string& name) {
  load_image(context, name);
  return image::inspect_json(context.home, name);
}

void remove_image(const Context& context, const std::string& name, const RemoveOptions& options) {
  store::Name::parse(name, "image name");
  if (!context.home.has(Kind::kImage, name)) {
    if (options.force) return;
    fail_unknown(context, name);
  }
  image::remove(context.home, name, Deadline::after(kLockPatience, options.stop));
}

void provide_image(const Context& context, const std::string& name, std::stop_token stop) {
  if (context.home.has(Kind::kImage, name)) return;
  if (name != kBuiltOnDemand) fail_unknown(context, name);
  context.note("there is no image 'tiny' yet: building it, this once");
  try {
    build_image(context, {.kind = kBuiltOnDemand, .stop = std::move(stop)});
  } catch (const Error& error) {
    // Another command built it meanwhile.
    if (error.code() != Code::kAlreadyExists) throw;
  }
}

}  // namespace knaller::vm
