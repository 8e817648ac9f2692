// How much a file system can still take.
#ifndef KNALLER_BASE_FREE_SPACE_H_
#define KNALLER_BASE_FREE_SPACE_H_

#include <cstdint>

namespace knaller {

struct FreeSpace {
  uint64_t bytes = 0;  // that this user may take; root's include the blocks reserved for it
  uint64_t total = 0;  // the size of the whole file system
  // Copies of files may share their blocks with the original (FICLONE), and then take nothing. On XFS that
  // was decided when the file system was made, so it is certain only once a copy has been made.
  bool may_share = false;
};

// Of the file system that holds the open file or directory.
FreeSpace free_space(int fd);

// Whether that many more bytes fit. Pure.
enum class Room { kEnough, kIfShared, kTooLittle };
Room room_for(const FreeSpace& space, uint64_t bytes);

}  // namespace knaller

#endif  // KNALLER_BASE_FREE_SPACE_H_
