// Owners of what libarchive allocates, and a bridge for exceptions over its C callbacks. Include in .cc files
// only.
#ifndef KNALLER_BASE_LIBARCHIVE_TYPES_H_
#define KNALLER_BASE_LIBARCHIVE_TYPES_H_

#include <exception>
#include <memory>
#include <utility>

#include "base/libarchive.h"

namespace knaller {

struct ArchiveReadFree {
  void operator()(archive* object) const { libarchive().archive_read_free(object); }
};
struct ArchiveWriteFree {
  void operator()(archive* object) const { libarchive().archive_write_free(object); }
};
struct ArchiveEntryFree {
  void operator()(archive_entry* object) const { libarchive().archive_entry_free(object); }
};
using ReadArchive = std::unique_ptr<archive, ArchiveReadFree>;
using WriteArchive = std::unique_ptr<archive, ArchiveWriteFree>;
using ArchiveEntry = std::unique_ptr<archive_entry, ArchiveEntryFree>;

// Keeps what a callback threw until the call into libarchive has returned.
class CarriedException {
 public:
  template <typename Body, typename Result>
  Result guard(Body&& body, Result on_failure) {
    try {
      return body();
    } catch (...) {
      exception_ = std::current_exception();
      return on_failure;
    }
  }
  void rethrow() {
    if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
  }

 private:
  std::exception_ptr exception_;
};

}  // namespace knaller

#endif  // KNALLER_BASE_LIBARCHIVE_TYPES_H_
