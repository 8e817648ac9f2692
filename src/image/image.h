// Guest images: a kernel, an initramfs and a root file system, in one entry of the home's images folder.
//
//   images/NAME/   image.json  vmlinux  initramfs  base.ext4 disk.ext4 | rootfs.ext4
//
// An image with base.ext4 boots that shared, read-only, with a private disk over it, of which disk.ext4 is
// the empty beginning; one with rootfs.ext4 boots a copy of it. Files are 0400 and never rewritten: VMs and
// snapshots hold hard links to them. Everything here may be called from several threads and processes at
// once; failures are knaller::Error, and a failed or interrupted build leaves nothing under the image's name.
#ifndef KNALLER_IMAGE_IMAGE_H_
#define KNALLER_IMAGE_IMAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "knaller/types.h"
#include "store/home.h"

namespace knaller::image {

inline constexpr uint64_t kDefaultDiskMib = 8192;
inline constexpr int kGuestProtocol =
    2;  // of /usr/lib/knaller/guest; from 2 on, its initramfs starts an agent
inline constexpr int kFirstWithAgent = 2;

struct Image {
  ImageInfo info = {};
  uint64_t default_disk_mib = 0;  // of the private disk; 0: the image has none
  // Absolute; empty when the image has none.
  std::string kernel = {};
  std::string initramfs = {};
  std::string base = {};
  std::string empty_disk = {};  // a private disk of the default size, as mke2fs made it
  std::string rootfs = {};
};

// What can be built; its word is also the name that an image has unless it is given another.
enum class BuildKind { kTiny, kDebian };
constexpr std::string_view to_text(BuildKind kind) {
  switch (kind) {
    case BuildKind::kTiny:
      return "tiny";
    case BuildKind::kDebian:
      return "debian";
  }
  return {};
}
// kInvalidArgument, with the nearest one, for a word that is none of these.
BuildKind build_kind_from_text(const std::string& text);

struct BuildOptions {
  BuildKind kind = BuildKind::kTiny;
  std::string name = {};  // empty: as kind
  uint64_t disk_mib = kDefaultDiskMib;
  std::vector<std::string> packages =
      {};                         // in addition; into tiny they are only unpacked, no script of theirs runs
  bool replace = false;           // of a published image of that name
  std::string guest_helper = {};  // the static program for the guest
  std::string cache_folder = {};  // absolute: downloads are kept there; empty: they are not kept
  EventSink sink = {};
};

struct ImportOptions {
  std::string name = {};
  std::string kernel = {};  // vmlinux or bzImage
  std::string rootfs = {};  // ext4
  std::string initramfs = {};
  bool needs_pvh = false;  // its engine boots kernels with a PVH note only
  bool replace = false;
  EventSink sink = {};
};

// Removes what a build that was killed left among the kept downloads; leaves it to a build that runs.
void sweep_downloads(const std::string& cache_folder);

// As any user; needs apt, and for kDebian mmdebstrap and subordinate ids. Returns when the image is
// published and durable.
Image build(const store::Home& home, const BuildOptions& options, const Deadline& deadline);
Image import(const store::Home& home, const ImportOptions& options, const Deadline& deadline);

// kNotFound when there is none, kCorrupt when it can't be read.
Image load(const store::Home& home, const std::string& name);
// Every published image; one that can't be read has `info.broken`.
std::vector<Image> list(const store::Home& home);
// image.json as it is, with the sizes of the files next to it, and where they are.
std::string inspect_json(const store::Home& home, const std::string& name);
// VMs and snapshots that were made from it keep working. kNotFound when there is none.
void remove(const store::Home& home, const std::string& name, const Deadline& deadline);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_IMAGE_H_
