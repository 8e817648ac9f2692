#include "store/transaction.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "base/rename.h"
#include "base/text.h"
#include "store/layout.h"

namespace knaller::store {
namespace {

constexpr std::chrono::seconds kRemovalTime{10};
// Of what has a name that is needed now.
constexpr std::chrono::seconds kClearTime{2};

std::string gone_name(const std::string& name) {
  return std::string(layout::kGonePrefix) + name;
}

// What an engine fills with files, the next sweep goes on with: then this is false.
bool remove_in_time(int folder, const std::string& entry, const Deadline& deadline) {
  try {
    remove_tree(folder, entry, deadline);
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::kTimeout && error.code() != Code::kBusy) throw;
    return false;
  }
}

// Frees a hidden name that an interrupted command may have left. What takes too long gets another one, by
// which the sweep finds it.
void clear(int folder, const std::string& entry, const std::string& name) {
  if (remove_in_time(folder, entry, Deadline::after(kClearTime))) return;
  const std::string aside = fmt::format("{}.{}", gone_name(name), hex(random_bytes(4)));
  if (rename_new(folder, entry, aside) != 0 && errno != ENOENT) fail_errno("move '{}' to remove it", entry);
}

// Free for what is to go now.
void clear_gone(int folder, const std::string& name) {
  clear(folder, gone_name(name), name);
}

std::string_view noun_of(Kind kind) {
  switch (kind) {
    case Kind::kVm:
      return "VM";
    case Kind::kSnapshot:
      return "snapshot";
    case Kind::kImage:
      return "image";
  }
  fail(Code::kInternal, "no word for kind {}", static_cast<int>(kind));
}

}  // namespace

std::string EntryChange::present_name() const {
  return how == How::kKeep ? name : layout::staged_name(name);
}

EntryDirectory::EntryDirectory(UniqueFd folder, EntryChange change)
    : folder_(std::move(folder)),
      directory_(open_at(folder_.get(), change.present_name(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)),
      change_(std::move(change)) {}

bool EntryDirectory::is_named(const std::string& name) const {
  return is_still_named(folder_.get(), name, directory_.get());
}

void EntryDirectory::fail_lost() const {
  throw Error(
      Code::kWrongState,
      fmt::format("the directory of {} '{}' was removed or replaced while it was {}", noun_of(change_.kind),
                  change_.name, change_.kind == Kind::kVm ? "started" : "made"),
      change_.kind == Kind::kVm ? "start it again" : "try again");
}

int EntryDirectory::rename_or_exchange(const std::string& from, const std::string& to, bool exchange) const {
  if (!exchange) return rename_new(folder_.get(), from, to);
  return exchange_names(folder_.get(), from, to, std::string(layout::kOldPrefix) + change_.name);
}

void EntryDirectory::take_name(const std::string& from, const std::string& to, bool exchange) {
  if (!is_named(from)) fail_lost();
  if (rename_or_exchange(from, to, exchange) != 0)
    fail_errno("give {} '{}' its name", noun_of(change_.kind), change_.name);
  try {
    if (is_named(to)) return;
  } catch (Error& error) {
    take_name_back(from, to, exchange, error);
    throw;
  }
  // Between the look and the rename another command put its own there.
  if (rename_or_exchange(to, from, exchange) != 0)
    fail_errno("put back the directory of {} '{}'", noun_of(change_.kind), change_.name);
  fail_lost();
}

// A command that fails must not have done what it was to do.
void EntryDirectory::take_name_back(const std::string& from, const std::string& to, bool exchange,
                                    Error& error) const {
  if (rename_or_exchange(to, from, exchange) != 0)
    error.with_hint(
        fmt::format("'{}' is there all the same, and may be lost if the power goes now", change_.name));
}

void EntryDirectory::publish(Durability durability) {
  const std::string before = change_.present_name();
  const bool is_renamed = before != change_.name;
  const bool exchange =
      change_.how == EntryChange::How::kReplace && stat_if_exists(folder_.get(), change_.name).has_value();
  if (is_renamed)
    take_name(before, change_.name, exchange);
  else if (!is_named(before))
    fail_lost();
  if (durability == Durability::kNoSync) return;
  try {
    fsync_fd(folder_.get(), folder_of(change_.kind));
  } catch (Error& error) {
    if (is_renamed) take_name_back(before, change_.name, exchange, error);
    throw;
  }
}

// First out of the way, in one step: then it is nobody's, and what is interrupted here the sweep finishes.
bool EntryDirectory::remove_as(const std::string& name, const std::string& gone, const Deadline& deadline) {
  if (!is_named(name)) return false;
  if (rename_new(folder_.get(), name, gone) != 0) {
    if (errno == ENOENT) return false;
    fail_errno("remove {} '{}'", noun_of(change_.kind), change_.name);
  }
  if (!is_named(gone)) {
    // Between the look and the rename it was published, or another command put its own there.
    if (rename_new(folder_.get(), gone, name) != 0)
      fail_errno("put back the directory of {} '{}'", noun_of(change_.kind), change_.name);
    return false;
  }
  remove_in_time(folder_.get(), gone, deadline);
  return true;
}

bool EntryDirectory::undo(const std::string& gone, const Deadline& deadline) {
  if (change_.how == EntryChange::How::kKeep) return false;
  return remove_as(change_.present_name(), gone, deadline);
}

bool EntryDirectory::remove(const std::string& gone, const Deadline& deadline) {
  return undo(gone, deadline) || remove_as(change_.name, gone, deadline);
}

EntryDirectory Transaction::stage(const EntryLock& lock, How how) {
  const Home& home = lock.home();
  const int folder = home.folder(lock.kind());
  EntryChange change{.kind = lock.kind(), .name = lock.name(), .how = how};
  if (how == How::kMake && home.has(lock.kind(), lock.name()))
    fail(Code::kAlreadyExists, "'{}' exists already", lock.name());
  if (how != How::kKeep) {
    const std::string staged = change.present_name();
    clear(folder, staged, change.name);
    if (::mkdirat(folder, staged.c_str(), 0700) != 0)
      fail_errno("make the folder '{}'", home.path_of(lock.kind(), staged));
  }
  return {open_at(folder, ".", O_RDONLY | O_DIRECTORY), std::move(change)};
}

Transaction::Transaction(const EntryLock& lock, How how) : home_(lock.home()), directory_(stage(lock, how)) {}

Transaction::~Transaction() {
  try {
    settle();
  } catch (const Error&) {
    // What can't be removed now the next sweep tries again.
  }
}

// A monitor whose launcher has lost it may publish at this very time: then the undo finds nothing, and it is
// published after all.
void Transaction::settle() {
  if (change().how == How::kKeep) return;
  const std::string gone = gone_name(change().name);
  const int folder = directory_.folder();
  const Deadline deadline = Deadline::after(kRemovalTime);
  if (!directory_.is_published()) {
    clear_gone(folder, change().name);
    if (directory_.undo(gone, deadline) || !directory_.is_published()) return;
  }
  if (change().how != How::kReplace) return;
  const std::string replaced = change().present_name();
  if (!stat_if_exists(folder, replaced)) return;
  clear_gone(folder, change().name);
  if (rename_new(folder, replaced, gone) == 0) remove_in_time(folder, gone, deadline);
}

std::string Transaction::path() const {
  return home_.path_of(change().kind, change().present_name());
}

void Transaction::publish(Durability durability) {
  if (durability == Durability::kFsync) fsync_fd(directory(), change().present_name());
  directory_.publish(durability);
}

void Transaction::remove(const EntryLock& lock) {
  const int folder = lock.home().folder(lock.kind());
  const std::string gone = gone_name(lock.name());
  clear_gone(folder, lock.name());
  if (rename_new(folder, lock.name(), gone) != 0) {
    if (errno == ENOENT) return;
    fail_errno("remove {} '{}'", noun_of(lock.kind()), lock.name());
  }
  fsync_fd(folder, folder_of(lock.kind()));
  remove_in_time(folder, gone, Deadline::after(kRemovalTime));
}

}  // namespace knaller::store
