#include "image/downloads.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "image/builders.h"

namespace knaller::image {
namespace {

constexpr char kListsAreWhole[] = "lists-are-whole";
constexpr char kLists[] = "lists";
constexpr char kDebs[] = "debs";

void fsync_files(int folder) {
  for (const std::string& name : list_directory(folder)) {
    const auto info = stat_if_exists(folder, name);
    if (!info || !S_ISREG(info->st_mode)) continue;
    fsync_fd(open_at(folder, name, O_RDONLY | O_NOFOLLOW).get(), name);
  }
  fsync_fd(folder, kLists);
}

constexpr char kLock[] = "lock";

}  // namespace

void sweep_downloads(const std::string& cache_folder) {
  if (!exists(cache_folder)) return;
  const UniqueFd folder = open_directory(cache_folder);
  if (unfinished_writes(folder.get()).empty()) return;
  const auto lock = LockFile::try_acquire(folder.get(), kLock, "sweep");
  if (!lock) return;
  for (const std::string& name : unfinished_writes(folder.get())) remove_tree(folder.get(), name);
}

Downloads::Downloads(const std::string& kept, const std::string& otherwise, const EventSink& sink,
                     const Deadline& deadline)
    : path_(kept.empty() ? otherwise : kept) {
  make_directories(path_);
  folder_ = open_directory(path_);
  if (kept.empty()) return;
  lock_ = LockFile::acquire(folder_.get(), kLock, "image build", deadline, [&](const std::string& holder) {
    say(sink, EventKind::kNote, fmt::format("waiting for another download of packages: {}", holder));
  });
  if (!stat_if_exists(folder_.get(), kListsAreWhole)) remove_tree(folder_.get(), kLists);
}

void Downloads::update_lists(Apt& apt, const Deadline& deadline) {
  remove_tree(folder_.get(), kListsAreWhole);
  apt.update(deadline);
  if (!lock_) return;
  fsync_files(open_at(folder_.get(), kLists, O_RDONLY | O_DIRECTORY).get());
  write_file_atomically(folder_.get(), kListsAreWhole, "");
}

void Downloads::sweep(std::chrono::hours unused_for) {
  if (!lock_) return;
  const UniqueFd debs = open_at(folder_.get(), kDebs, O_RDONLY | O_DIRECTORY);
  const auto now = std::chrono::system_clock::now();
  for (const std::string& name : list_directory(debs.get())) {
    const auto info = stat_if_exists(debs.get(), name);
    if (info && now - std::chrono::system_clock::from_time_t(info->st_mtime) > unused_for)
      remove_tree(debs.get(), name);
  }
}

}  // namespace knaller::image
