#include "vm/home/sweep.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "image/image.h"
#include "monitor/alive.h"
#include "store/layout.h"
#include "store/sweep.h"
#include "vm/home/images.h"
#include "vm/home/layout.h"

namespace knaller::vm {
namespace {

using layout::Leftover;
using layout::Place;
using store::Kind;

constexpr std::chrono::minutes kLongestWrite{1};

void remove_unfinished_writes(int directory, bool alive) {
  for (const std::string& name : unfinished_writes(directory))
    if (!alive || !layout::is_monitors_write(layout::Place::kInVm, name))
      remove_tree(directory, name, Deadline::after(store::kSweepTime));
}

// Sockets and the log's fifo, of processes that are gone.
bool is_of_the_dead(int directory, const std::string& name) {
  const auto info = stat_if_exists(directory, name);
  return info && !S_ISREG(info->st_mode);
}

// What there may be to do for one VM, learnt without its lock: mostly nothing.
struct Findings {
  bool is_ours = false;
  bool of_the_dead = false;
  bool of_a_capture = false;
  bool unfinished = false;

  bool any() const { return of_the_dead || of_a_capture || unfinished; }
};

void look_into_jail(int directory, Findings& found) {
  for (const layout::File& file : layout::files()) {
    if (file.place != Place::kInJail) continue;
    if (file.leftover == Leftover::kOfTheDead)
      found.of_the_dead |= is_of_the_dead(directory, layout::in_jail(file.name));
    else if (file.leftover == Leftover::kOfACapture)
      found.of_a_capture |= stat_if_exists(directory, layout::in_jail(file.name)).has_value();
  }
}

Findings look_at(int directory) {
  Findings found;
  for (const std::string& name : list_unread_directory(directory)) {
    const layout::File* const file = layout::find(Place::kInVm, name);
    if (file == nullptr)
      found.unfinished |= is_unfinished_write(name);
    else if (file->leftover == Leftover::kOfTheDead)
      found.of_the_dead |= is_of_the_dead(directory, name);
    else
      found.is_ours |= name == layout::kVmRecord;
  }
  if (found.is_ours) look_into_jail(directory, found);
  if (found.of_the_dead && monitor::is_alive(directory)) found.of_the_dead = false;
  return found;
}

// An engine may have made a folder of a million files in the place of its socket. What is left of it after a
// while is an unfinished write of the VM's directory: `aside`.
void remove_of_the_dead(int directory, Place place, int aside) {
  for (const std::string& name : layout::leftovers(place, Leftover::kOfTheDead))
    if (is_of_the_dead(directory, name))
      clear_name(directory, name, aside, Deadline::after(store::kSweepTime));
}

void sweep_vm(const Context& context, const std::string& name) {
  const UniqueFd directory = context.home.open_entry(Kind::kVm, name);
  const Findings found = look_at(directory.get());
  if (!found.is_ours || !found.any()) return;  // that of the Go program is swept by nobody
  const auto lock = context.home.try_lock(Kind::kVm, name, "sweep");
  if (!lock) return;
  const UniqueFd jail = open_at(directory.get(), layout::kJail, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const bool alive = monitor::is_alive(directory.get());
  remove_engine_files(directory.get(), jail.get());
  remove_unfinished_writes(directory.get(), alive);
  if (alive) return;
  remove_of_the_dead(directory.get(), Place::kInVm, directory.get());
  remove_of_the_dead(jail.get(), Place::kInJail, directory.get());
}

void sweep_snapshot(const Context& context, const std::string& id) {
  const UniqueFd directory = context.home.open_entry(Kind::kSnapshot, id);
  if (unfinished_writes(directory.get()).empty() || !stat_if_exists(directory.get(), layout::kManifest))
    return;
  const auto lock = context.home.try_lock(Kind::kSnapshot, id, "sweep");
  if (lock) remove_unfinished_writes(directory.get(), false);
}

// Small files that commands write without a lock, in no time.
void sweep_remembered(const std::string& path) {
  if (!exists(path)) return;
  const UniqueFd folder = open_directory(path);
  const auto now = std::chrono::system_clock::now();
  for (const std::string& name : unfinished_writes(folder.get())) {
    const auto info = stat_if_exists(folder.get(), name);
    if (info && now - std::chrono::system_clock::from_time_t(info->st_mtime) > kLongestWrite)
      remove_tree(folder.get(), name);
  }
}

}  // namespace

void sweep(const Context& context) {
  store::sweep(context.home);
  const auto each = [&](Kind kind, auto sweep_one) {
    const std::vector<std::string> names = context.home.entries(kind);
    for_each_in_parallel(names.size(), [&](size_t at) {
      try {
        sweep_one(context, names[at]);
      } catch (const Error&) {
        // An entry that is broken, or was removed just now; `ls` shows what is wrong with it.
      }
    });
  };
  each(Kind::kVm, sweep_vm);
  each(Kind::kSnapshot, sweep_snapshot);
  try {
    image::sweep_downloads(packages_folder(context));
    sweep_remembered(context.home.path());
    sweep_remembered(context.home.cache_path());
  } catch (const Error&) {
    // As above.
  }
}

}  // namespace knaller::vm
