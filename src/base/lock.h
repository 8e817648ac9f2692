// Locks on files. All are OFD locks: they belong to the open description, end with its last descriptor, and
// can be seen (F_OFD_GETLK) without being taken, so looking never disturbs a holder.
#ifndef KNALLER_BASE_LOCK_H_
#define KNALLER_BASE_LOCK_H_

#include <unistd.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "base/fd.h"

namespace knaller {

// Takes a lock on one byte of an open file; false when somebody else holds it. A shared one, which a
// read-only descriptor can take, still shows to is_byte_locked(), and keeps out an exclusive one.
enum class LockKind { kExclusive, kShared };
bool try_lock_byte(int fd, uint64_t byte, LockKind kind = LockKind::kExclusive);
// Is the byte locked by another description? Takes nothing. Works on read-only descriptors.
bool is_byte_locked(int fd, uint64_t byte);
// The same of any of so many bytes from this one on.
bool is_any_byte_locked(int fd, uint64_t first, uint64_t count);

// A named lock file, held by one command at a time. The holder's verb, pid and start time are written into
// the file, for messages only, never for a decision. The file stays when the lock is released, unless
// unlink_while_held() was called.
class LockFile {
 public:
  // `on_wait` is called once with the holder's description when somebody else has it ("stop (pid 123, for 2
  // s)"). Throws kBusy, naming the holder, when the deadline passes first.
  static LockFile acquire(int dir, const std::string& name, const std::string& verb, const Deadline& deadline,
                          const std::function<void(const std::string& holder)>& on_wait = {});
  // Nothing when somebody else has it.
  static std::optional<LockFile> try_acquire(int dir, const std::string& name, const std::string& verb);

  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&&) noexcept = default;

  // A lock file that can't be removed does no harm: the next command's sweep removes it.
  void unlink_while_held() noexcept { ::unlinkat(dir_.get(), name_.c_str(), 0); }
  int fd() const { return fd_.get(); }

 private:
  LockFile(UniqueFd dir, std::string name, UniqueFd fd)
      : dir_(std::move(dir)), name_(std::move(name)), fd_(std::move(fd)) {}

  UniqueFd dir_;
  std::string name_;
  UniqueFd fd_;
};

// What the lock file's holder wrote into it; empty when nobody holds it or the file is not there.
std::string lock_holder(int dir, const std::string& name);

}  // namespace knaller

#endif  // KNALLER_BASE_LOCK_H_
