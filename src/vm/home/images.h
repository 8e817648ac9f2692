// Images, as the verbs use them.
#ifndef KNALLER_VM_HOME_IMAGES_H_
#define KNALLER_VM_HOME_IMAGES_H_

#include <string>
#include <vector>

#include "image/image.h"
#include "vm/home/context.h"

namespace knaller::vm {

// Where downloaded packages are kept.
std::string packages_folder(const Context& context);

ImageInfo build_image(const Context& context, const ImageBuildOptions& options);
ImageInfo import_image(const Context& context, const ImageImportOptions& options);
std::vector<ImageInfo> list_images(const Context& context);
ImageInfo inspect_image(const Context& context, const std::string& name);
std::string inspect_image_json(const Context& context, const std::string& name);
void remove_image(const Context& context, const std::string& name, const RemoveOptions& options);

// kNotFound with the nearest name.
image::Image load_image(const Context& context, const std::string& name);
// Makes sure that there is such an image: a missing "tiny" is built, any other is kNotFound.
void provide_image(const Context& context, const std::string& name, std::stop_token stop);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_IMAGES_H_
