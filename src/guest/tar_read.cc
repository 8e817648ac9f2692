#include <sys/stat.h>

#include <array>

#include "base/error.h"
#include "base/libarchive_types.h"
#include "base/text.h"
#include "guest/tar.h"

namespace knaller::guest {
namespace {

class Unpacker {
 public:
  Unpacker(const TarSource& source, ConfinedTree& tree, const UnpackOptions& options, CopySummary& summary,
           const CopyProgress& progress)
      : source_(source),
        tree_(tree),
        options_(options),
        summary_(summary),
        progress_(progress),
        archive_(libarchive().archive_read_new()) {
    if (!archive_) throw std::bad_alloc();
    check(libarchive().archive_read_support_format_tar(archive_.get()));
    check(libarchive().archive_read_open(archive_.get(), this, nullptr, read_more, nullptr));
  }

  void run() {
    archive_entry* entry = nullptr;
    while (true) {
      const int rc = libarchive().archive_read_next_header(archive_.get(), &entry);
      if (rc == ARCHIVE_EOF) break;
      check(rc);
      unpack(entry);
    }
    tree_.finish();
  }

 private:
  static la_ssize_t read_more(archive*, void* context, const void** data) {
    auto& self = *static_cast<Unpacker*>(context);
    *data = self.buffer_.data();
    return self.carried_.guard(
        [&] { return static_cast<la_ssize_t>(self.source_(self.buffer_.data(), self.buffer_.size())); },
        la_ssize_t{-1});
  }

  // ARCHIVE_WARN stands for names in another character set and the like; what matters of those is checked
  // here.
  void check(int rc) {
    if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN) return;
    carried_.rethrow();
    const char* text = libarchive().archive_error_string(archive_.get());
    fail(Code::kCorrupt, "the guest sent a damaged archive: {}",
         printable(text == nullptr ? "unknown error" : text));
  }

  // The bytes as they came; where libarchive holds them as text only (pax headers), that text.
  static std::string text_of(const char* bytes, const char* utf8) {
    const char* text = bytes != nullptr ? bytes : utf8;
    if (text == nullptr) fail(Code::kCorrupt, "the guest sent an archive with a name that cannot be read");
    return text;
  }

  PathParts target_of(const std::string& name) const {
    PathParts parts = confined_parts(name);
    if (!options_.expected.empty()) {
      if (parts.empty() || parts.front() != options_.expected)
        fail(Code::kCorrupt, "the guest sent '{}', which was not asked for", printable(name));
      parts.erase(parts.begin());
    }
    if (!options_.name.empty()) parts.insert(parts.begin(), options_.name);
    return parts;
  }

  // A "file" that arrived as a link would have whoever uses it read another file of this host.
  void check_kind(archive_entry* entry, const std::string& name) const {
    if (options_.expected.empty() || confined_parts(name).size() != 1) return;
    const auto type = libarchive().archive_entry_filetype(entry);
    const auto check_one = [&](EntryKind kind, unsigned its_type, std::string_view shown) {
      if (type == its_type && options_.kind != kind)
        fail(Code::kCorrupt, "the guest sent '{}' as a {}, which is not what it had said", printable(name),
             shown);
    };
    check_one(EntryKind::kFile, AE_IFREG, "file");
    check_one(EntryKind::kFolder, AE_IFDIR, "folder");
    check_one(EntryKind::kLink, AE_IFLNK, "link");
  }

  void unpack(archive_entry* entry) {
    const std::string name =
        text_of(libarchive().archive_entry_pathname(entry), libarchive().archive_entry_pathname_utf8(entry));
    const PathParts target = target_of(name);
    check_kind(entry, name);
    const long nanoseconds = libarchive().archive_entry_mtime_nsec(entry);
    const FileAttributes attributes{
        .mode = libarchive().archive_entry_perm(entry),
        .modified = {.tv_sec = libarchive().archive_entry_mtime(entry),
                     .tv_nsec = nanoseconds >= 0 && nanoseconds < 1'000'000'000 ? nanoseconds : 0}};
    const char* link = libarchive().archive_entry_hardlink(entry);
    if (link == nullptr) link = libarchive().archive_entry_hardlink_utf8(entry);
    if (link != nullptr) {
      tree_.make_hard_link(target, target_of(link));
    } else if (libarchive().archive_entry_filetype(entry) == AE_IFREG) {
      unpack_file(entry, target, attributes);
    } else if (libarchive().archive_entry_filetype(entry) == AE_IFDIR) {
      tree_.make_directory(target, attributes);
    } else if (libarchive().archive_entry_filetype(entry) == AE_IFLNK) {
      const auto to =
          text_of(libarchive().archive_entry_symlink(entry), libarchive().archive_entry_symlink_utf8(entry));
      tree_.make_symlink(target, to, attributes);
    } else {
      if (summary_.skipped.size() < kMostSkippedNames) summary_.skipped.push_back(printable(name));
      return;
    }
    ++summary_.files;
  }

  void unpack_file(archive_entry* entry, const PathParts& target, const FileAttributes& attributes) {
    // No tar sends one unless it is asked to; a few bytes could claim any size.
    if (libarchive().archive_entry_sparse_count(entry) > 0)
      fail(Code::kCorrupt, "the guest sent a sparse file, '{}', which was not asked for",
           printable(fmt::format("{}", fmt::join(target, "/"))));
    auto file = tree_.make_file(target);
    const auto size = static_cast<uint64_t>(libarchive().archive_entry_size(entry));
    const void* data = nullptr;
    size_t length = 0;
    la_int64_t offset = 0;
    uint64_t written = 0;
    while (true) {
      const int rc = libarchive().archive_read_data_block(archive_.get(), &data, &length, &offset);
      if (rc == ARCHIVE_EOF) break;
      check(rc);
      if (static_cast<uint64_t>(offset) != written || written + length > size)
        fail(Code::kCorrupt,
             "the guest sent a damaged archive: a file has holes or does not end where it should");
      file.write({static_cast<const char*>(data), length});
      written += length;
      summary_.bytes += length;
      if (progress_) progress_(summary_.bytes, options_.total);
    }
    if (written != size) fail(Code::kCorrupt, "the guest sent a damaged archive: a file is too short");
    file.commit(attributes);
  }

  const TarSource& source_;
  ConfinedTree& tree_;
  const UnpackOptions& options_;
  CopySummary& summary_;
  const CopyProgress& progress_;
  CarriedException carried_;
  std::array<char, 65536> buffer_;
  ReadArchive archive_;
};

}  // namespace

void unpack_tar(const TarSource& source, ConfinedTree& tree, const UnpackOptions& options,
                CopySummary& summary, const CopyProgress& progress) {
  Unpacker(source, tree, options, summary, progress).run();
}

}  // namespace knaller::guest
