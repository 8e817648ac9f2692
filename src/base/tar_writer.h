// Tar streams of a disk's files, written by libarchive, in the pax format: it has holes, long names and
// nanoseconds, and every tar on a host reads it. What `snapshot extract` gives out. (Portable snapshots are
// src/portable's own, so that they are always the same bytes.)
//
// One thread at a time. What the taker throws comes out of the call during which it threw.
#ifndef KNALLER_BASE_TAR_WRITER_H_
#define KNALLER_BASE_TAR_WRITER_H_

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace knaller {

struct TarEntry {
  std::string path;
  mode_t mode = 0;  // with its type; what the caller wants to have dropped, it drops
  timespec modified{};
  uint64_t size = 0;
  uid_t owner = 0;
  gid_t group = 0;
  std::string symlink = {};    // where it leads
  std::string hard_link = {};  // to an entry that came before
  // Of files with holes: the stretches with data. All bytes must still be written.
  std::vector<Extent> data = {};
};

class TarWriter {
 public:
  // Gets the stream in pieces; false: nobody wants more.
  using Taker = std::function<bool(std::string_view)>;

  explicit TarWriter(Taker taker);
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;
  // A stream that was not finished stays cut off.
  ~TarWriter();

  // When this is false, nobody gets anything that follows.
  bool wanted() const;
  void add(const TarEntry& entry);
  // The content of the entry that was added last: as many bytes as it has.
  void write(std::string_view data);
  void write_zeros(uint64_t bytes);
  void finish();

 private:
  class Archive;
  std::unique_ptr<Archive> archive_;
};

}  // namespace knaller

#endif  // KNALLER_BASE_TAR_WRITER_H_
