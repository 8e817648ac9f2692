// The small part of tar that a portable snapshot uses: regular files, sparse ones in the form of GNU.sparse
// 1.0 of pax, which GNU tar and libarchive read. Nothing else is written, and everything else is refused.
//
// The reader is for anybody's archives: each size has a limit before anything is kept, and what is wrong is
// kCorrupt.
#ifndef KNALLER_PORTABLE_TAR_H_
#define KNALLER_PORTABLE_TAR_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "portable/zstd_stream.h"

namespace knaller::portable {

inline constexpr uint64_t kTarBlock = 512;
// A map of more would take too much memory: the smallest holes are then left out of it.
inline constexpr size_t kMostExtents = 1 << 20;

// Joins the pieces of data with the smallest holes between them until there are at most `most`. Pure, and the
// same for the same data.
void limit_extents(std::vector<Extent>& data, size_t most = kMostExtents);
// Adds one at the end, and joins as limit_extents() does; `least_hole`, which begins with 0, keeps between
// calls which holes were joined over.
void add_extent(std::vector<Extent>& data, const Extent& next, uint64_t& least_hole,
                size_t most = kMostExtents);

class TarWriter {
 public:
  // Every entry has this time, mode 0600 and owner 0.
  TarWriter(const Sink& sink, int64_t modified) : sink_(sink), modified_(modified) {}

  // A whole small file.
  void add(const std::string& folder, const std::string& name, std::string_view content);
  // The beginning of a file of which only `data` (ascending, apart) is written: call write() with exactly
  // those bytes, then end_file().
  void begin_file(const std::string& folder, const std::string& name, uint64_t size,
                  const std::vector<Extent>& data);
  void write(std::string_view data);
  void end_file();
  void finish();

 private:
  void add_header(const std::string& path, uint64_t size, char type);
  void add_pax(const std::string& folder, const std::string& name, const std::string& records);
  void pad();

  const Sink& sink_;
  int64_t modified_;
  uint64_t in_entry_ = 0;  // bytes since its header
};

struct TarEntry {
  std::string path;
  uint64_t size = 0;         // of the file
  std::vector<Extent> data;  // what of it is not a hole: ascending, apart, inside
  uint64_t data_bytes() const;
};

class TarReader {
 public:
  explicit TarReader(Decompressor& from) : from_(from) {}

  // False at the archive's end, after which nothing may come. The entry before must have been read to its
  // end, or this throws.
  bool next(TarEntry& entry);
  // The entry's data, one byte after the other; never more than there is.
  void read(char* buffer, size_t size);

 private:
  struct Header;
  struct Pax;
  void read_block(char* block);
  Header read_header();
  Pax read_pax(uint64_t size);
  void read_map(TarEntry& entry, uint64_t stored);
  uint64_t read_map_number();
  void skip_padding();
  void read_end();

  Decompressor& from_;
  uint64_t left_ = 0;     // bytes of the entry that are not read yet
  uint64_t padding_ = 0;  // behind them
  uint64_t map_bytes_ = 0;
  std::string map_block_;
};

}  // namespace knaller::portable

#endif  // KNALLER_PORTABLE_TAR_H_
