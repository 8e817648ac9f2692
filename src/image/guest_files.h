// Files of knaller's own for guests, compiled into the library from src/image/guest/.
#ifndef KNALLER_IMAGE_GUEST_FILES_H_
#define KNALLER_IMAGE_GUEST_FILES_H_

#include <string_view>
#include <vector>

#include "image/file_tree.h"

namespace knaller::image {

struct GuestFile {
  std::string_view kind;  // "tiny" or "debian"
  std::string_view path;  // in the guest
  std::string_view content;
};

const std::vector<GuestFile>& guest_files();

// Those of `kind`, into `tree`, owned by root: scripts 0755, /etc/shadow 0640, everything else 0644.
void add_guest_files(std::string_view kind, FileTree& tree);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_GUEST_FILES_H_
