// Files and directories: whole reads with a limit, atomic and durable writes, copies that keep holes, removal
// of trees. Functions that take a directory descriptor accept AT_FDCWD.
#ifndef KNALLER_BASE_FILE_H_
#define KNALLER_BASE_FILE_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller {

enum class Durability { kFsync, kNoSync };

// openat(2) with O_CLOEXEC; throws with the path in the message.
UniqueFd open_at(int dir, const std::string& path, int flags, mode_t mode = 0600);
UniqueFd open_directory(const std::string& path);
// openat2(2) that follows no link anywhere and does not leave `dir`. A link, or a way out, is kCorrupt.
UniqueFd open_beneath(int dir, const std::string& path, int flags);
// A regular file below `dir`, for reading, reached without following any link and not waiting for a fifo: for
// everything an engine may have put there. kCorrupt when it is something else, kNotFound when absent.
UniqueFd open_untrusted(int dir, const std::string& path);

// The whole of a regular file; kCorrupt when it is something else.
std::string read_file(int dir, const std::string& path, size_t limit = 1 << 20);
std::string read_file(const std::string& path, size_t limit = 1 << 20);
std::optional<std::string> read_file_if_exists(int dir, const std::string& path, size_t limit = 1 << 20);

// Replaces `path` in one step: a temporary file next to it, fsync, rename, fsync of the directory. Mode 0600
// unless given.
void write_file_atomically(int dir, const std::string& path, std::string_view content,
                           Durability durability = Durability::kFsync, mode_t mode = 0600);
// A new name for such a temporary file.
std::string temporary_name(const std::string& name);
// Whether it is the name of one: left by a process that was killed, or being written now.
bool is_unfinished_write(std::string_view name);
// Those in a folder.
std::vector<std::string> unfinished_writes(int dir);
void fsync_fd(int fd, std::string_view what);

// mkdir -p, each new level with `mode`.
void make_directories(const std::string& path, mode_t mode = 0700);
std::optional<struct stat> stat_if_exists(int dir, const std::string& path);  // does not follow a final link
bool exists(const std::string& path);
// Whether that name still means the file or directory that is open as `fd`.
bool is_still_named(int dir, const std::string& name, int fd);
// Names, sorted, without "." and ".."; no more than `most` of them.
std::vector<std::string> list_directory(int dir, size_t most = SIZE_MAX);
// The same for a descriptor that is the caller's alone and has not been read from.
std::vector<std::string> list_unread_directory(int dir, size_t most = SIZE_MAX);
// The next ones of such a descriptor: some hundred at a time, in no order, and none at the end. For folders
// that an engine may have filled.
std::vector<std::string> next_names(int dir);
// Removes a file or a whole tree without following links. Nothing there is no error. kTimeout or kCancelled
// when the deadline passes or is stopped first, kBusy when something keeps filling it: an engine may have
// made a million files, or go on making more.
void remove_tree(int dir, const std::string& name, const Deadline& deadline = Deadline::never());
// Frees a name in a directory that an engine writes to, whatever it has put there: a tree is moved into
// `aside`, out of its reach, and removed until the deadline. What is left then is found by
// unfinished_writes().
void clear_name(int dir, const std::string& name, int aside, const Deadline& deadline);

// Memory files and disks don't store zeros: a block of zeros is a hole.
inline constexpr uint64_t kBlockBytes = 4096;
bool is_zero(const char* data, size_t size);
// Writes those blocks of `data` at their places in the file, counted from `offset` on, that are not all zero,
// and leaves the others as they are. Returns how many bytes it wrote.
uint64_t write_nonzero(int fd, const char* data, size_t size, uint64_t offset);
// All `size` bytes; a file that ends before is kCorrupt.
void read_at(int fd, char* buffer, size_t size, uint64_t offset);
void write_at(int fd, const char* data, size_t size, uint64_t offset);

// A stretch of a file.
struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - begin; }
  bool operator==(const Extent&) const = default;
};
// Adds an extent that comes after all of these; it is merged with the last one when they touch.
void append(std::vector<Extent>& extents, const Extent& next);
uint64_t total_bytes(const std::vector<Extent>& extents);
// The next data of the file at or after `from`, in whole blocks; empty, at `size`, when there is none. File
// systems that know no holes call everything data.
Extent next_data(int fd, uint64_t from, uint64_t size);
// The data of the file inside `within`, in pieces of at most `most` bytes.
std::vector<Extent> data_pieces(int fd, const Extent& within, uint64_t most);
void punch_hole(int fd, const Extent& extent);

struct CopyResult {
  uint64_t apparent_bytes = 0;
  uint64_t copied_bytes = 0;  // data that was written; 0 when it was cloned
  bool reflinked = false;
};
using ByteProgress = std::function<void(uint64_t done, uint64_t total)>;

// Copies the first `size` bytes of `from` into the empty file `to`: FICLONE where the file system has it,
// else the data extents only, and blocks of zeros become holes. `to` ends exactly `size` bytes long. Not
// fsync'd.
CopyResult copy_sparse(int from, int to, uint64_t size, const Deadline& deadline,
                       const ByteProgress& progress = {});
// A hard link to `from`; a sparse, fsync'd copy with mode 0400 where links fail (EXDEV, EPERM, EMLINK,
// EOPNOTSUPP).
void link_or_copy(int from_dir, const std::string& from, int to_dir, const std::string& to,
                  const Deadline& deadline);

uint64_t file_size(int fd);
// Bytes that the file really occupies (st_blocks * 512).
uint64_t allocated_bytes(int fd);

}  // namespace knaller

#endif  // KNALLER_BASE_FILE_H_
