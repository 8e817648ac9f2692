// What building and importing an image have in common. Private to src/image.
#ifndef KNALLER_IMAGE_STAGING_H_
#define KNALLER_IMAGE_STAGING_H_

#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"
#include "store/transaction.h"

namespace knaller::image {

store::EntryLock lock_image(const store::Home& home, const std::string& name, const std::string& verb,
                            const EventSink& sink, const Deadline& deadline);
// kAlreadyExists for one that is there, unless it is to be replaced.
store::Transaction::How how_to_make(const store::EntryLock& lock, bool replace);
void write_new_file(int directory, const std::string& name, std::string_view content);
// Everything is on the disk and read-only before the image gets its name.
void settle(int directory, const std::vector<std::string>& names);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_STAGING_H_
