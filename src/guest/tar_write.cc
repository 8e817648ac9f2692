#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "guest/libarchive_types.h"
#include "guest/tar.h"

namespace knaller::guest {
namespace {

constexpr size_t kMostSkippedNames = 100;

UniqueFd open_folder_in(int folder, const std::string& name) {
  return open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

uint64_t bytes_below(int folder, const std::string& name, const Deadline& deadline) {
  if (deadline.stopped() || deadline.expired()) deadline.check("the size of the folder");
  const auto status = stat_if_exists(folder, name);
  if (!status) return 0;
  if (S_ISREG(status->st_mode)) return static_cast<uint64_t>(status->st_size);
  if (!S_ISDIR(status->st_mode)) return 0;
  const UniqueFd inside = open_folder_in(folder, name);
  uint64_t sum = 0;
  for (const auto& child : list_directory(inside.get())) sum += bytes_below(inside.get(), child, deadline);
  return sum;
}

class Packer {
 public:
  Packer(const PackOptions& options, const TarSink& sink, CopySummary& summary, const CopyProgress& progress,
         uint64_t total)
      : options_(options),
        sink_(sink),
        summary_(summary),
        progress_(progress),
        total_(total),
        archive_(libarchive().archive_write_new()) {
    if (!archive_) throw std::bad_alloc();
    // GNU's format and not pax: busybox passes over pax headers, and long names with them.
    check(libarchive().archive_write_set_format_gnutar(archive_.get()));
    check(libarchive().archive_write_set_bytes_per_block(archive_.get(), 65536));
    check(libarchive().archive_write_open(archive_.get(), this, nullptr, take, nullptr));
  }

  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  // Freeing an archive that was given up writes the rest of it, to nobody.
  ~Packer() { wanted_ = false; }

  // False: the sink wants no more.
  bool wanted() const { return wanted_; }

  void add(int folder, const std::string& name, const std::string& as) {
    const auto status = stat_if_exists(folder, name);
    if (!status) fail(Code::kNotFound, "'{}' is not there (any more)", printable(as));
    if (S_ISREG(status->st_mode))
      add_file(folder, name, as);
    else if (S_ISDIR(status->st_mode))
      add_folder(folder, name, as, *status);
    else if (S_ISLNK(status->st_mode))
      add_link(folder, name, as, *status);
    else if (summary_.skipped.size() < kMostSkippedNames)
      summary_.skipped.push_back(printable(as));
  }

  void add_contents(int folder, const std::string& prefix) {
    for (const auto& child : list_directory(folder)) {
      if (!wanted_) return;
      add(folder, child, prefix.empty() ? child : fmt::format("{}/{}", prefix, child));
    }
  }

  void finish() {
    if (wanted_) check(libarchive().archive_write_close(archive_.get()));
  }

 private:
  // Never an error: libarchive 3.6 leaks its block when a callback gives one. What nobody wants is dropped
  // instead, and what the sink threw is thrown again by check().
  static la_ssize_t take(archive*, void* context, const void* data, size_t size) {
    auto& self = *static_cast<Packer*>(context);
    return self.carried_.guard(
        [&] {
          const bool wanted = std::exchange(self.wanted_, false);
          self.wanted_ = wanted && self.sink_({static_cast<const char*>(data), size});
          return static_cast<la_ssize_t>(size);
        },
        static_cast<la_ssize_t>(size));
  }

  void check(int rc) {
    carried_.rethrow();
    if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN || !wanted_) return;
    const char* text = libarchive().archive_error_string(archive_.get());
    fail(Code::kIo, "cannot write the archive: {}", printable(text == nullptr ? "unknown error" : text));
  }

  ArchiveEntry make_entry(const std::string& as, const struct stat& status) {
    ArchiveEntry entry(libarchive().archive_entry_new());
    if (!entry) throw std::bad_alloc();
    libarchive().archive_entry_copy_pathname(entry.get(), as.c_str());
    libarchive().archive_entry_set_mode(entry.get(), status.st_mode);
    libarchive().archive_entry_set_mtime(entry.get(), status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    libarchive().archive_entry_set_size(entry.get(), S_ISREG(status.st_mode) ? status.st_size : 0);
    return entry;
  }

  void add_header(const ArchiveEntry& entry) {
    check(libarchive().archive_write_header(archive_.get(), entry.get()));
    ++summary_.files;
  }

  void add_file(int folder, const std::string& name, const std::string& as) {
    // What was a file a moment ago may be a pipe now: O_NONBLOCK, so that opening it cannot hang.
    const UniqueFd file = open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) fail_errno("look at '{}'", as);
    if (!S_ISREG(status.st_mode)) fail(Code::kIo, "'{}' was changed while it was copied", printable(as));
    add_header(make_entry(as, status));
    std::array<char, 65536> buffer;
    for (auto left = static_cast<uint64_t>(status.st_size); left > 0 && wanted_;) {
      const size_t got = read_up_to(file.get(), buffer.data(), std::min<uint64_t>(left, buffer.size()), as);
      if (got == 0) fail(Code::kIo, "'{}' became shorter while it was copied", printable(as));
      check(libarchive().archive_write_data(archive_.get(), buffer.data(), got) < 0 ? ARCHIVE_FATAL
                                                                                    : ARCHIVE_OK);
      left -= got;
      summary_.bytes += got;
      if (progress_) progress_(summary_.bytes, total_);
    }
  }

  void add_folder(int folder, const std::string& name, const std::string& as, const struct stat& status) {
    if (options_.present.contains(as)) return add_contents(open_folder_in(folder, name).get(), as);
    // Twice: first so that it can be filled, whoever unpacks; then, since busybox's tar sets modes and times
    // at once and not at the end as GNU's does, once more as it is to be.
    const auto open_entry = make_entry(as, status);
    libarchive().archive_entry_set_mode(open_entry.get(), status.st_mode | S_IRWXU);
    add_header(open_entry);
    const UniqueFd inside = open_folder_in(folder, name);
    add_contents(inside.get(), as);
    if (wanted_) check(libarchive().archive_write_header(archive_.get(), make_entry(as, status).get()));
  }

  void add_link(int folder, const std::string& name, const std::string& as, const struct stat& status) {
    const auto entry = make_entry(as, status);
    libarchive().archive_entry_copy_symlink(entry.get(), read_link(folder, name).c_str());
    add_header(entry);
  }

  const PackOptions& options_;
  const TarSink& sink_;
  CopySummary& summary_;
  const CopyProgress& progress_;
  uint64_t total_;
  bool wanted_ = true;
  CarriedException carried_;
  WriteArchive archive_;
};

}  // namespace

bool write_tar(const std::string& path, const PackOptions& options, const TarSink& sink, CopySummary& summary,
               const CopyProgress& progress, const Deadline& deadline) {
  const uint64_t total = progress ? bytes_below(AT_FDCWD, path, deadline) : 0;
  Packer packer(options, sink, summary, progress, total);
  if (options.name.empty())
    packer.add_contents(open_directory(path).get(), "");
  else
    packer.add(AT_FDCWD, path, options.name);
  packer.finish();
  return packer.wanted();
}

}  // namespace knaller::guest
