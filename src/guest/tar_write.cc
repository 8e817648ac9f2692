#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/tar_writer.h"
#include "base/text.h"
#include "guest/tar.h"

namespace knaller::guest {
namespace {

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
        summary_(summary),
        progress_(progress),
        total_(total),
        tar_(TarWriter::Format::kGnu, sink) {}

  // False: the sink wants no more.
  bool wanted() const { return tar_.wanted(); }

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
      if (!wanted()) return;
      add(folder, child, prefix.empty() ? child : fmt::format("{}/{}", prefix, child));
    }
  }

  void finish() { tar_.finish(); }

 private:
  static TarEntry entry_of(const std::string& as, const struct stat& status) {
    return {.path = as,
            .mode = status.st_mode,
            .modified = status.st_mtim,
            .size = S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0};
  }

  void add_entry(const TarEntry& entry) {
    tar_.add(entry);
    ++summary_.files;
  }

  void add_file(int folder, const std::string& name, const std::string& as) {
    // What was a file a moment ago may be a pipe now: O_NONBLOCK, so that opening it cannot hang.
    const UniqueFd file = open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) fail_errno("look at '{}'", as);
    if (!S_ISREG(status.st_mode)) fail(Code::kIo, "'{}' was changed while it was copied", printable(as));
    add_entry(entry_of(as, status));
    std::array<char, 65536> buffer;
    for (auto left = static_cast<uint64_t>(status.st_size); left > 0 && wanted();) {
      const size_t got = read_up_to(file.get(), buffer.data(), std::min<uint64_t>(left, buffer.size()), as);
      if (got == 0) fail(Code::kIo, "'{}' became shorter while it was copied", printable(as));
      tar_.write({buffer.data(), got});
      left -= got;
      summary_.bytes += got;
      if (progress_) progress_(summary_.bytes, total_);
    }
  }

  void add_folder(int folder, const std::string& name, const std::string& as, const struct stat& status) {
    if (options_.present.contains(as)) return add_contents(open_folder_in(folder, name).get(), as);
    // Twice: first so that it can be filled, whoever unpacks; then, since busybox's tar sets modes and times
    // at once and not at the end as GNU's does, once more as it is to be.
    TarEntry entry = entry_of(as, status);
    entry.mode |= S_IRWXU;
    add_entry(entry);
    const UniqueFd inside = open_folder_in(folder, name);
    add_contents(inside.get(), as);
    if (wanted()) tar_.add(entry_of(as, status));
  }

  void add_link(int folder, const std::string& name, const std::string& as, const struct stat& status) {
    TarEntry entry = entry_of(as, status);
    entry.symlink = read_link(folder, name);
    add_entry(entry);
  }

  const PackOptions& options_;
  CopySummary& summary_;
  const CopyProgress& progress_;
  uint64_t total_;
  TarWriter tar_;
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
