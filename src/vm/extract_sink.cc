#include "vm/extract_sink.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "guest/libarchive_types.h"

namespace knaller::vm {
namespace {

using disk::FileInfo;
using disk::Stretch;
using guest::PathParts;

constexpr uint64_t kPiece = 1 << 20;

class FolderSink : public ExtractSink {
 public:
  explicit FolderSink(UniqueFd folder) : tree_(std::move(folder)) {}

  void directory(const PathParts& path, const FileInfo& info) override {
    tree_.make_directory(path, attributes_of(info));
  }

  void file(const PathParts& path, const FileInfo& info, const std::vector<Stretch>& data,
            const Read& read) override {
    auto file = tree_.make_file(path);
    std::string buffer;
    for (const Stretch& stretch : data) {
      for (uint64_t at = 0; at < stretch.bytes; at += buffer.size()) {
        buffer.resize(std::min(kPiece, stretch.bytes - at));
        read(stretch, at, buffer.data(), buffer.size());
        file.write_at(buffer, stretch.begin + at);
      }
    }
    file.set_size(info.size);
    file.commit(attributes_of(info));
  }

  void symlink(const PathParts& path, const FileInfo& info, const std::string& target) override {
    tree_.make_symlink(path, target, attributes_of(info));
  }
  void hard_link(const PathParts& path, const PathParts& existing) override {
    tree_.make_hard_link(path, existing);
  }
  void finish() override { tree_.finish(); }

 private:
  static guest::Attributes attributes_of(const FileInfo& info) {
    return {.mode = info.mode & 07777, .modified = info.modified};
  }

  guest::ConfinedTree tree_;
};

// pax: the one tar that knows holes, long names and nanoseconds, and that every tar on a host reads.
class TarSink : public ExtractSink {
 public:
  explicit TarSink(const std::function<void(std::string_view)>& write)
      : write_(write), archive_(libarchive().archive_write_new()) {
    if (!archive_) throw std::bad_alloc();
    check(libarchive().archive_write_set_format_pax_restricted(archive_.get()));
    check(libarchive().archive_write_open(archive_.get(), this, nullptr, take, nullptr));
  }
  TarSink(const TarSink&) = delete;
  TarSink& operator=(const TarSink&) = delete;
  // Freeing an archive that was given up writes the rest of it, to nobody.
  ~TarSink() override { wanted_ = false; }

  void directory(const PathParts& path, const FileInfo& info) override {
    if (!path.empty()) check(libarchive().archive_write_header(archive_.get(), entry(path, info).get()));
  }

  void file(const PathParts& path, const FileInfo& info, const std::vector<Stretch>& data,
            const Read& read) override {
    const auto header = entry(path, info);
    libarchive().archive_entry_set_size(header.get(), static_cast<la_int64_t>(info.size));
    if (!data.empty() && bytes_of(data) < info.size)
      for (const Stretch& stretch : data)
        libarchive().archive_entry_sparse_add_entry(header.get(), static_cast<la_int64_t>(stretch.begin),
                                                    static_cast<la_int64_t>(stretch.bytes));
    if (data.empty() && info.size > 0) libarchive().archive_entry_sparse_add_entry(header.get(), 0, 0);
    check(libarchive().archive_write_header(archive_.get(), header.get()));
    uint64_t at = 0;
    for (const Stretch& stretch : data) {
      write_zeros(stretch.begin - at);
      write_stretch(stretch, read);
      at = stretch.begin + stretch.bytes;
    }
    write_zeros(info.size - at);
  }

  void symlink(const PathParts& path, const FileInfo& info, const std::string& target) override {
    const auto header = entry(path, info);
    libarchive().archive_entry_copy_symlink(header.get(), target.c_str());
    check(libarchive().archive_write_header(archive_.get(), header.get()));
  }

  void hard_link(const PathParts& path, const PathParts& existing) override {
    const auto header = entry(path, {.mode = S_IFREG | 0600});
    libarchive().archive_entry_copy_hardlink(header.get(), name_of(existing).c_str());
    check(libarchive().archive_write_header(archive_.get(), header.get()));
  }

  void finish() override { check(libarchive().archive_write_close(archive_.get())); }

 private:
  static std::string name_of(const PathParts& path) { return fmt::format("{}", fmt::join(path, "/")); }

  static uint64_t bytes_of(const std::vector<Stretch>& data) {
    uint64_t sum = 0;
    for (const Stretch& stretch : data) sum += stretch.bytes;
    return sum;
  }

  static guest::ArchiveEntry entry(const PathParts& path, const FileInfo& info) {
    guest::ArchiveEntry made(libarchive().archive_entry_new());
    if (!made) throw std::bad_alloc();
    libarchive().archive_entry_copy_pathname(made.get(), name_of(path).c_str());
    libarchive().archive_entry_set_mode(made.get(), info.mode & (S_IFMT | 0777));
    libarchive().archive_entry_set_uid(made.get(), info.uid);
    libarchive().archive_entry_set_gid(made.get(), info.gid);
    libarchive().archive_entry_set_mtime(made.get(), info.modified.tv_sec, info.modified.tv_nsec);
    libarchive().archive_entry_set_size(made.get(), 0);
    return made;
  }

  // libarchive takes holes as zeros and leaves them out.
  void write_zeros(uint64_t bytes) {
    static const std::string zeros(kPiece, '\0');
    for (uint64_t done = 0; done < bytes; done += kPiece)
      write_data(zeros.data(), std::min(kPiece, bytes - done));
  }

  void write_stretch(const Stretch& stretch, const Read& read) {
    for (uint64_t at = 0; at < stretch.bytes; at += buffer_.size()) {
      buffer_.resize(std::min(kPiece, stretch.bytes - at));
      read(stretch, at, buffer_.data(), buffer_.size());
      write_data(buffer_.data(), buffer_.size());
    }
  }

  void write_data(const char* data, size_t size) {
    while (size > 0) {
      const la_ssize_t done = libarchive().archive_write_data(archive_.get(), data, size);
      check(done <= 0 ? ARCHIVE_FATAL : ARCHIVE_OK);
      data += done;
      size -= static_cast<size_t>(done);
    }
  }

  // Never an error: libarchive 3.6 leaks its block when a callback gives one. What the writer threw is thrown
  // again by check().
  static la_ssize_t take(archive*, void* context, const void* data, size_t size) {
    auto& self = *static_cast<TarSink*>(context);
    const auto whole = static_cast<la_ssize_t>(size);
    return self.carried_.guard(
        [&] {
          const bool wanted = std::exchange(self.wanted_, false);
          if (wanted) self.write_({static_cast<const char*>(data), size});
          self.wanted_ = wanted;
          return whole;
        },
        whole);
  }

  void check(int rc) {
    carried_.rethrow();
    if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN) return;
    const char* text = libarchive().archive_error_string(archive_.get());
    fail(Code::kIo, "cannot write the archive: {}", printable(text == nullptr ? "unknown error" : text));
  }

  const std::function<void(std::string_view)>& write_;
  bool wanted_ = true;
  guest::CarriedException carried_;
  std::string buffer_;
  guest::WriteArchive archive_;
};

}  // namespace

std::unique_ptr<ExtractSink> make_folder_sink(const std::string& folder) {
  if (!exists(folder)) make_directories(folder, 0777);
  return std::make_unique<FolderSink>(open_directory(folder));
}

std::unique_ptr<ExtractSink> make_tar_sink(const std::function<void(std::string_view)>& write) {
  return std::make_unique<TarSink>(write);
}

}  // namespace knaller::vm
