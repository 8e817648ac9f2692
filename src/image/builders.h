// The steps of `image build` that differ between the kinds of images. Private to src/image.
#ifndef KNALLER_IMAGE_BUILDERS_H_
#define KNALLER_IMAGE_BUILDERS_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "image/apt.h"
#include "image/file_tree.h"
#include "image/image.h"

namespace knaller::image {

struct Workshop {
  const BuildOptions& options;
  std::string folder;  // absolute, private to this build, removed with it
  Apt& apt;
  std::string kernel_package;  // "linux-image-6.1.0-56-cloud-amd64"
  std::string guest_helper;    // its bytes
};

// What was put in, for image.json.
using PackageVersions = std::vector<std::pair<std::string, std::string>>;

// Fills `root` with the root file system and gives the packages in it. `kernel` holds the unpacked kernel
// package.
PackageVersions make_tiny(const Workshop& workshop, FileTree& root, const Deadline& deadline);
PackageVersions make_debian(const Workshop& workshop, const FileTree& kernel, FileTree& root,
                            const Deadline& deadline);

// Before anything is downloaded: can this machine build a `debian`? The error says how to fix it.
void check_can_make_debian();

inline void say(const EventSink& sink, EventKind kind, std::string text) {
  if (sink) sink({.kind = kind, .text = std::move(text)});
}

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_BUILDERS_H_
