#include "base/tar_writer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/libarchive_types.h"
#include "base/text.h"

namespace knaller {
namespace {

constexpr size_t kPiece = 1 << 20;

ArchiveEntry entry_of(const TarEntry& entry) {
  ArchiveEntry made(libarchive().archive_entry_new());
  if (!made) throw std::bad_alloc();
  libarchive().archive_entry_copy_pathname(made.get(), entry.path.c_str());
  libarchive().archive_entry_set_mode(made.get(), entry.mode);
  libarchive().archive_entry_set_uid(made.get(), entry.owner);
  libarchive().archive_entry_set_gid(made.get(), entry.group);
  libarchive().archive_entry_set_mtime(made.get(), entry.modified.tv_sec, entry.modified.tv_nsec);
  libarchive().archive_entry_set_size(made.get(), static_cast<la_int64_t>(entry.size));
  if (!entry.symlink.empty()) libarchive().archive_entry_copy_symlink(made.get(), entry.symlink.c_str());
  if (!entry.hard_link.empty()) libarchive().archive_entry_copy_hardlink(made.get(), entry.hard_link.c_str());
  return made;
}

void add_holes(archive_entry* to, const TarEntry& entry) {
  if (total_bytes(entry.data) >= entry.size) return;
  for (const Extent& extent : entry.data)
    libarchive().archive_entry_sparse_add_entry(to, static_cast<la_int64_t>(extent.begin),
                                                static_cast<la_int64_t>(extent.size()));
  if (entry.data.empty()) libarchive().archive_entry_sparse_add_entry(to, 0, 0);
}

}  // namespace

class TarWriter::Archive {
 public:
  explicit Archive(Taker taker) : taker_(std::move(taker)), archive_(libarchive().archive_write_new()) {
    if (!archive_) throw std::bad_alloc();
    check(libarchive().archive_write_set_format_pax_restricted(archive_.get()));
    check(libarchive().archive_write_open(archive_.get(), this, nullptr, take, nullptr));
  }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;
  // Freeing an archive that was given up writes the rest of it, to nobody.
  ~Archive() { wanted_ = false; }

  bool wanted() const { return wanted_; }

  void add(const TarEntry& entry) {
    const ArchiveEntry made = entry_of(entry);
    add_holes(made.get(), entry);
    check(libarchive().archive_write_header(archive_.get(), made.get()));
  }

  void write(std::string_view data) {
    while (!data.empty() && wanted_) {
      const la_ssize_t done = libarchive().archive_write_data(archive_.get(), data.data(), data.size());
      check(done <= 0 ? ARCHIVE_FATAL : ARCHIVE_OK);
      if (done > 0) data.remove_prefix(static_cast<size_t>(done));
    }
  }

  void finish() {
    if (wanted_) check(libarchive().archive_write_close(archive_.get()));
  }

 private:
  // Never an error: libarchive 3.6 leaks its block when a callback gives one. What nobody wants is dropped
  // instead, and what the taker threw is thrown again by check().
  static la_ssize_t take(archive*, void* context, const void* data, size_t size) {
    auto& self = *static_cast<Archive*>(context);
    const auto whole = static_cast<la_ssize_t>(size);
    return self.carried_.guard(
        [&] {
          const bool wanted = std::exchange(self.wanted_, false);
          self.wanted_ = wanted && self.taker_({static_cast<const char*>(data), size});
          return whole;
        },
        whole);
  }

  void check(int rc) {
    carried_.rethrow();
    if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN || !wanted_) return;
    const char* text = libarchive().archive_error_string(archive_.get());
    fail(Code::kIo, "cannot write the archive: {}", printable(text == nullptr ? "unknown error" : text));
  }

  Taker taker_;
  bool wanted_ = true;
  CarriedException carried_;
  WriteArchive archive_;
};

TarWriter::TarWriter(Taker taker) : archive_(std::make_unique<Archive>(std::move(taker))) {}

TarWriter::~TarWriter() = default;

bool TarWriter::wanted() const {
  return archive_->wanted();
}

void TarWriter::add(const TarEntry& entry) {
  archive_->add(entry);
}

void TarWriter::write(std::string_view data) {
  archive_->write(data);
}

// libarchive takes holes as zeros and leaves them out.
void TarWriter::write_zeros(uint64_t bytes) {
  static const std::string zeros(kPiece, '\0');
  while (bytes > 0) {
    const size_t piece = std::min<uint64_t>(kPiece, bytes);
    archive_->write({zeros.data(), piece});
    bytes -= piece;
  }
}

void TarWriter::finish() {
  archive_->finish();
}

}  // namespace knaller
