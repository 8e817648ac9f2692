// Files and folders into a guest, and out of it, by its agent.
//
// Names mean what they mean to `docker cp` and `scp -r`: into an existing folder under the source's name,
// otherwise as the target; a source folder that ends in "/." gives its contents alone. Links that are named
// as the source are followed, those below it stay links. Holes stay holes, and several names of a file stay
// that.
//
// A file, and a folder that is new, appear whole or not at all, whenever the copy ends. In a folder that was
// there already each file does; such folders, and links to folders, stay what they are, with their modes and
// owners. Devices, pipes and sockets are never replaced (kAlreadyExists).
#ifndef KNALLER_ENTRY_COPY_H_
#define KNALLER_ENTRY_COPY_H_

#include <knaller/manager.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "entry/link.h"

namespace knaller::entry {

inline constexpr size_t kMostCopyNotes = 100;

// Bytes so far, and all (0: not known).
using CopyProgress = std::function<void(uint64_t done, uint64_t total)>;

struct CopySummary {
  uint64_t files = 0;  // regular files, folders and links
  uint64_t bytes = 0;  // of content
  // What is not, or not quite, copied: paths, of each kind the first kMostCopyNotes.
  std::vector<std::string> left_out;  // devices, pipes and sockets
  std::vector<std::string> vanished;
  std::vector<std::string> changed;  // that were written to meanwhile
};

// The deadline is for the beginning, kTimeout; `options.stop` is its token. kNotFound: the source, or the
// folder of the target, is not there.
CopySummary copy_to_guest(Link link, const CopyOptions& options, const CopyProgress& progress,
                          const Deadline& start);
// The guest may send what it likes: nothing outside the target is read, made or changed (kCorrupt). Links
// that lead out of what is copied are kPermission unless they are asked for.
CopySummary copy_from_guest(Link link, const CopyOptions& options, const CopyProgress& progress,
                            const Deadline& start);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_COPY_H_
