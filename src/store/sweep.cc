#include "store/sweep.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/lock.h"
#include "base/rename.h"
#include "store/layout.h"

namespace knaller::store {
namespace {

// A VM that is being made is also held by its monitor, which undoes it when its launcher is gone.
bool is_alive(const Home& home, Kind kind, const std::string& entry) {
  const std::string path = entry + "/" + layout::kAlive;
  const auto alive = stat_if_exists(home.folder(kind), path);
  if (!alive || !S_ISREG(alive->st_mode)) return false;
  const UniqueFd fd = open_at(home.folder(kind), path, O_RDONLY | O_NOFOLLOW);
  return is_any_byte_locked(fd.get(), 0, 2);
}

// The lock goes with it, unless there is an entry of that name.
void sweep_entry(const Home& home, Kind kind, const std::string& entry, const Deadline& deadline) {
  const std::string name = layout::name_in_hidden(entry);
  if (name.empty()) return;
  const auto lock = home.try_lock(kind, name, "sweep");
  if (!lock || is_alive(home, kind, entry) || is_alive(home, kind, layout::staged_name(name))) return;
  finish_interrupted(home, kind, entry, deadline);
}

void sweep_folder(const Home& home, Kind kind, const std::vector<std::string>& entries,
                  const Deadline& deadline) {
  for (const std::string& entry : entries) {
    try {
      sweep_entry(home, kind, entry, deadline);
    } catch (const Error&) {
      // Another user's, or a bad disk: it hurts nobody, and `knaller store check` tells of it.
    }
  }
}

// Locks of what never came to be, or went away without a command: a command that was killed, a VM tied to
// one.
void sweep_locks(const Home& home, Kind kind, const std::vector<std::string>& entries,
                 const std::vector<std::string>& locks) {
  const std::string prefix = lock_name(kind, "");
  for (const std::string& file : locks) {
    if (!file.starts_with(prefix)) continue;
    const std::string name = file.substr(prefix.size());
    if (std::ranges::binary_search(entries, name) || home.has_any(kind, name)) continue;
    try {
      home.try_lock(kind, name, "sweep");  // its end removes the file
    } catch (const Error&) {
      // An empty file hurts nobody; a home that can't be written can still be listed.
    }
  }
}

}  // namespace

void sweep(const Home& home) {
  const Deadline deadline = Deadline::after(kSweepTime);
  // Before the entries: a lock is taken before its entry is made.
  const std::vector<std::string> locks = list_directory(home.locks());
  for (const Kind kind : kKinds) {
    const std::vector<std::string> entries = list_directory(home.folder(kind));
    sweep_folder(home, kind, entries, deadline);
    sweep_locks(home, kind, entries, locks);
  }
}

void finish_interrupted(const Home& home, Kind kind, const std::string& entry, const Deadline& deadline) {
  const int folder = home.folder(kind);
  const std::string name = layout::name_in_hidden(entry);
  if (!entry.starts_with(layout::kOldPrefix) || home.has(kind, name))
    return remove_tree(folder, entry, deadline);
  // What was to replace it never came to its name.
  if (rename_new(folder, entry, name) != 0) fail_errno("rename '{}' to '{}'", entry, name);
  fsync_fd(folder, folder_of(kind));
}

}  // namespace knaller::store
