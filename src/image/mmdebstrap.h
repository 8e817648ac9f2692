// Runs mmdebstrap, which installs Debian into a chroot of its own and writes that out as a tar.
#ifndef KNALLER_IMAGE_MMDEBSTRAP_H_
#define KNALLER_IMAGE_MMDEBSTRAP_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "knaller/types.h"

namespace knaller::image {

// With `arguments`, in `folder`, where the tar is made as `tar`. Its steps go to `sink`. kNotFound without
// mmdebstrap; kIo with its last words when it fails.
//
// However this ends, mmdebstrap has removed its chroot, which no other process of an ordinary user could do.
// After three minutes nobody waits for that any more, and it goes on removing by itself, as it does when this
// process is killed.
void run_mmdebstrap(const std::vector<std::string>& arguments, const std::string& folder,
                    const std::string& tar, const EventSink& sink, const Deadline& deadline);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_MMDEBSTRAP_H_
