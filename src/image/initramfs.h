// The initramfs of the images that knaller builds: its own static /init, the kernel modules that reach the
// disks and the network, and the list in which order to load them.
#ifndef KNALLER_IMAGE_INITRAMFS_H_
#define KNALLER_IMAGE_INITRAMFS_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "image/file_tree.h"

namespace knaller::image {

// The names after "depends=" in a module's .modinfo section. kCorrupt when the file is not a kernel module.
std::vector<std::string> dependencies_of_module(std::string_view module, std::string_view what);

// `wanted` with all that they depend on, each after what it needs. `depends_on` gives a module's own list.
// kCorrupt for a circle.
std::vector<std::string> order_of_modules(
    const std::vector<std::string>& wanted,
    const std::function<std::vector<std::string>(const std::string&)>& depends_on);

// An archive in the kernel's "newc" form, not compressed: the kernel unpacks that fastest, and it is small.
class CpioWriter {
 public:
  void directory(std::string_view path);
  void file(std::string_view path, uint32_t permissions, std::string_view content);
  void character_device(std::string_view path, uint32_t permissions, uint32_t major, uint32_t minor);
  // The whole archive.
  std::string finish();

 private:
  void entry(std::string_view path, uint32_t mode, uint32_t major, uint32_t minor, std::string_view content);

  std::string bytes_;
  uint32_t next_inode_ = 1;
};

// `kernel` is the unpacked kernel package. `init` are the bytes of the guest helper.
std::string make_initramfs(const FileTree& kernel, std::string_view init);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_INITRAMFS_H_
