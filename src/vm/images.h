// Images, as the verbs use them.
#ifndef KNALLER_VM_IMAGES_H_
#define KNALLER_VM_IMAGES_H_

#include <string>
#include <vector>

#include "image/image.h"
#include "vm/context.h"

namespace knaller::vm {

ImageInfo build_image(const Context& context, const ImageBuildOptions& options);
ImageInfo import_image(const Context& context, const ImageImportOptions& options);
std::vector<ImageInfo> list_images(const Context& context);
ImageInfo inspect_image(const Context& context, const std::string& name);
std::string inspect_image_json(const Context& context, const std::string& name);
void remove_image(const Context& context, const std::string& name, const RemoveOptions& options);

// The image of that name; "tiny" is built first when it is not there. kNotFound with the nearest name
// otherwise.
image::Image require_image(const Context& context, const std::string& name, std::stop_token stop);

}  // namespace knaller::vm

#endif  // KNALLER_VM_IMAGES_H_
