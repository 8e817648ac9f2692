// How entries of the home are made, replaced and removed: one at a time, under its lock, in steps after each
// of which the home is as it was or as it is to be (ADR 86).
//
//   staged      `.new-NAME` is filled; nobody else looks at it
//   published   it has its name: the point of no return. What it replaced has the name `.new-NAME`
//   undone      it was given up: out of the way in one step, and then removed
//
// The names say which of these it is, by inode: the monitor publishes a VM, and neither side needs to tell
// the other what became of it. A command that is killed leaves hidden names; the sweep finishes what they
// stand for (store/sweep.h).
//
// One thread at a time. When a step throws, the names are as they were before it.
#ifndef KNALLER_STORE_TRANSACTION_H_
#define KNALLER_STORE_TRANSACTION_H_

#include <string>

#include "base/deadline.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/home.h"

namespace knaller::store {

// What is to become of an entry. It crosses the handover from the command that stages a VM to the monitor
// that publishes it.
struct EntryChange {
  enum class How {
    kMake,     // under a name that is free
    kReplace,  // of one that exists: the two change places in one step
    kKeep,     // it stays as it is, under its name, even when undone
  };
  Kind kind = Kind::kVm;
  std::string name;
  How how = How::kMake;

  // Its name before it is published: ".new-web", or "web" for one that is kept.
  std::string present_name() const;
  bool operator==(const EntryChange&) const = default;
};

// The directory that a change is about, held open, and its names. It is renamed only while they mean this
// very directory: a process that was stopped for long may find another command's under the name that it
// knows.
class EntryDirectory {
 public:
  // Opens it in `folder`, under its present name.
  EntryDirectory(UniqueFd folder, EntryChange change);

  int fd() const { return directory_.get(); }
  int folder() const { return folder_.get(); }
  const EntryChange& change() const { return change_; }
  bool is_published() const { return is_named(change_.name); }

  // Gives it its name, durably with kFsync. kAlreadyExists when that is taken, kWrongState when it is no
  // longer found under its present name. When the name can't be made durable it is taken back.
  void publish(Durability durability);
  // Removes it unless it is published, by way of the name `gone`. False: it was published, or is somebody
  // else's to remove. What takes too long is left there for the sweep.
  bool undo(const std::string& gone, const Deadline& deadline);
  // The same, published or not.
  bool remove(const std::string& gone, const Deadline& deadline);

 private:
  bool is_named(const std::string& name) const;
  int rename_or_exchange(const std::string& from, const std::string& to, bool exchange) const;
  void take_name(const std::string& from, const std::string& to, bool exchange);
  void take_name_back(const std::string& from, const std::string& to, bool exchange, Error& error) const;
  bool remove_as(const std::string& name, const std::string& gone, const Deadline& deadline);
  [[noreturn]] void fail_lost() const;

  UniqueFd folder_;
  UniqueFd directory_;
  EntryChange change_;
};

// A command's side. Unless it was published, by this or by the monitor, the destructor undoes it; what it
// replaced goes then, too.
class Transaction {
 public:
  using How = EntryChange::How;

  // The lock must be held until the end of this. kAlreadyExists for kMake of a name that is taken; kReplace
  // of a name that is free makes it; kNotFound for kKeep of one that is not there.
  explicit Transaction(const EntryLock& lock, How how = How::kMake);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  int directory() const { return directory_.fd(); }
  const EntryChange& change() const { return directory_.change(); }
  // By the monitor, too.
  bool is_published() const { return directory_.is_published(); }
  // The absolute path, until it is published.
  std::string path() const;

  // The point of no return: fsyncs the directory (unless kNoSync), renames it, fsyncs its parent. When it
  // throws, nothing was published.
  void publish(Durability durability = Durability::kFsync);

  // A removal: makes the entry unreachable in one step, then removes it; what takes too long is for the next
  // sweep. One that is not there (any more) is no error.
  static void remove(const EntryLock& lock);

 private:
  static EntryDirectory stage(const EntryLock& lock, How how);
  void settle();

  const Home& home_;
  EntryDirectory directory_;
};

}  // namespace knaller::store

#endif  // KNALLER_STORE_TRANSACTION_H_
