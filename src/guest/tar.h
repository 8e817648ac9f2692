// Tar streams: written from the host's files, and unpacked into a ConfinedTree. libarchive does the format;
// what is read is hostile. Only tar without compression is understood, so that nothing small can become
// large.
#ifndef KNALLER_GUEST_TAR_H_
#define KNALLER_GUEST_TAR_H_

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/confined_tree.h"
#include "base/deadline.h"

namespace knaller::guest {

inline constexpr size_t kMostSkippedNames = 100;

struct CopySummary {
  uint64_t files = 0;                // regular files, folders and links
  uint64_t bytes = 0;                // of their contents
  std::vector<std::string> skipped;  // devices, pipes and sockets; the first kMostSkippedNames
};

// Bytes so far, and all (0: not known).
using CopyProgress = std::function<void(uint64_t done, uint64_t total)>;

// Takes a piece of the stream; false: nobody wants more.
using TarSink = std::function<bool(std::string_view)>;
// Fills the buffer with what comes next; 0 at the end.
using TarSource = std::function<size_t(char* buffer, size_t size)>;

struct PackOptions {
  std::string name;  // under which the source goes into the archive; empty: a folder's contents alone
  // Folders (by their names in the archive) that already exist where it will be unpacked, and stay as they
  // are: the archive has their contents, but not the folders themselves.
  std::set<std::string> present;
};

// Writes the file, link or folder with all that is in it. Owners are written as 0:0. kNotFound when it is not
// there. Returns false when the sink wanted no more.
bool write_tar(const std::string& path, const PackOptions& options, const TarSink& sink, CopySummary& summary,
               const CopyProgress& progress, const Deadline& deadline);

enum class EntryKind { kFile, kFolder, kLink };

struct UnpackOptions {
  // Where it is given, every name must begin with the folder `expected`, which is taken off; `name` is then
  // put before it. What arrives under `name` itself must be of that kind.
  std::string expected;
  std::string name;
  EntryKind kind = EntryKind::kFile;
  uint64_t total = 0;  // for the progress
};

// Throws kCorrupt for what is not an archive, ends too early, or names something outside its target.
void unpack_tar(const TarSource& source, ConfinedTree& tree, const UnpackOptions& options,
                CopySummary& summary, const CopyProgress& progress);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_TAR_H_
