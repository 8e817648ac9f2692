#include "base/error.h"
#include "image/builders.h"

namespace knaller::image {

void check_can_make_debian() {}

PackageVersions make_debian(const Workshop&, const FileTree&, FileTree&, const Deadline&) {
  fail(Code::kUnsupported, "images of the kind debian can not be built yet");
}

}  // namespace knaller::image
