#include "image/guest_files.h"

namespace knaller::image {

void add_guest_files(std::string_view kind, FileTree& tree) {
  for (const GuestFile& file : guest_files()) {
    if (file.kind != kind) continue;
    disk::Attributes attributes{.permissions = file.content.starts_with("#!") ? 0755U : 0644U};
    if (file.path == "etc/shadow") attributes.permissions = 0640;
    tree.add_file(std::string(file.path), attributes, file.content);
  }
}

}  // namespace knaller::image
