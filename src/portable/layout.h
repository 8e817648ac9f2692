// What a portable snapshot consists of (docs/formats/snapshot-archive.md), for those who write it and those
// who read it.
#ifndef KNALLER_PORTABLE_LAYOUT_H_
#define KNALLER_PORTABLE_LAYOUT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "store/manifest.h"

namespace knaller::portable {

// Names of all entries begin with the snapshot's id and a slash. In this order: the manifest, the metadata,
// the names of what was left out, the labels, then the other files of the manifest.
inline constexpr char kLeftOut[] = ".left-out";

inline constexpr uint64_t kLargestSmallFile = 1 << 20;

// One name per line. Throws kCorrupt for anything but distinct names of files that `manifest` has and that
// come from an image: others can't be left out.
std::vector<std::string> parse_left_out(std::string_view text, const store::Manifest& manifest);

// Which bytes of a file are not zero, in blocks, found on all cores; the same for the same content, whatever
// holes the file system made of it.
std::vector<Extent> nonzero_extents(int fd, const store::ManifestFile& file, const Deadline& deadline);

}  // namespace knaller::portable

#endif  // KNALLER_PORTABLE_LAYOUT_H_
