// What building and importing an image have in common. Private to src/image.
#ifndef KNALLER_IMAGE_STAGING_H_
#define KNALLER_IMAGE_STAGING_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/lock.h"
#include "image/image.h"

namespace knaller::image {

LockFile lock_image(const store::Home& home, const std::string& name, const std::string& verb,
                    const EventSink& sink, const Deadline& deadline);
// kAlreadyExists, unless the image is to be replaced.
void refuse_existing(const store::Home& home, const std::string& name, bool replace);
void write_new_file(int directory, const std::string& name, std::string_view content);
// Everything is on the disk and read-only before the image gets its name.
void settle(int directory, const std::vector<std::string>& names);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_STAGING_H_
