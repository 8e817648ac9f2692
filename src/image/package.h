// Debian packages, unpacked in this process: no dpkg, no maintainer scripts.
#ifndef KNALLER_IMAGE_PACKAGE_H_
#define KNALLER_IMAGE_PACKAGE_H_

#include <string>

#include "image/file_tree.h"

namespace knaller::image {

// The files of a .deb (an ar with a data.tar in any compression that libarchive knows). kCorrupt when it is
// not one.
void unpack_package(const std::string& deb, FileTree& tree, const FileTree::Placement& placement,
                    const Deadline& deadline);

// The same for a tar, for instance one that mmdebstrap made.
void unpack_tar(const std::string& tar, FileTree& tree, const FileTree::Placement& placement,
                const Deadline& deadline);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_PACKAGE_H_
