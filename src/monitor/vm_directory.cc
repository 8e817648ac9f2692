#include "monitor/vm_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/rename.h"
#include "base/text.h"
#include "monitor/alive.h"
#include "store/home.h"

namespace knaller::monitor {

namespace {

// The event loop stands still for it: others wait for their leases to be undone.
constexpr std::chrono::milliseconds kClearTime{200};
// Nothing runs any more, but whoever undid the start waits.
constexpr std::chrono::seconds kRemovalTime{2};

}  // namespace

VmDirectory::VmDirectory(const LaunchSpec& spec) : final_(spec.name), replaces_(spec.replaces) {
  const size_t slash = spec.directory.rfind('/');
  if (slash == std::string::npos || final_.empty() || final_.find('/') != std::string::npos) {
    fail(Code::kInvalidArgument, "'{}' is no VM's directory", printable(spec.directory));
  }
  current_ = spec.directory.substr(slash + 1);
  const UniqueFd home = open_directory(spec.home);
  parent_ = open_beneath(home.get(), spec.directory.substr(0, slash), O_RDONLY | O_DIRECTORY);
  vm_ = open_beneath(parent_.get(), current_, O_RDONLY | O_DIRECTORY);
  jail_ = open_beneath(vm_.get(), "jail", O_RDONLY | O_DIRECTORY);
  alive_ = lock_monitor_alive(vm_.get());
  if (::fchdir(vm_.get()) != 0) fail_errno("change to '{}'", spec.directory);
}

void VmDirectory::publish() {
  const std::string before = current_;
  take_name(final_);
  try {
    fsync_fd(parent_.get(), "the directory of all VMs");
  } catch (const Error&) {
    take_name(before);  // what it replaced is there again
    throw;
  }
}

int VmDirectory::rename_or_exchange(const std::string& from, const std::string& to) const {
  const int dir = parent_.get();
  const std::string aside = std::string(store::kOldPrefix) + final_;
  return replaces_ ? exchange_names(dir, from, to, aside) : rename_new(dir, from, to);
}

// Only a directory that is still ours: a monitor that stood still for long may find another start's under the
// name that it knows.
void VmDirectory::take_name(const std::string& name) {
  if (current_ == name) return require_named(name);
  require_named(current_);
  if (rename_or_exchange(current_, name) != 0) fail_errno("give VM '{}' its name", final_);
  if (!is_still_named(parent_.get(), name, vm_.get())) {
    // Between the look and the rename another command put its own there.
    if (rename_or_exchange(name, current_) != 0) fail_errno("put back the directory of VM '{}'", final_);
    fail_lost();
  }
  current_ = name;
}

void VmDirectory::require_named(const std::string& name) const {
  if (!is_still_named(parent_.get(), name, vm_.get())) fail_lost();
}

void VmDirectory::fail_lost() const {
  throw Error(Code::kWrongState,
              fmt::format("the directory of VM '{}' was removed or replaced while it was started", final_),
              "start it again");
}

void VmDirectory::clear_in_jail(const std::string& name) const {
  clear_name(jail_.get(), name, vm_.get(), Deadline::after(kClearTime));
}

// First out of the way, in one step: then it is nobody's, and what is interrupted here the next command's
// sweep finishes.
void VmDirectory::remove() {
  if (!is_still_named(parent_.get(), current_, vm_.get())) return;
  const std::string gone = fmt::format(".gone-{}.{}", final_, hex(random_bytes(4)));
  if (rename_new(parent_.get(), current_, gone) != 0) {
    if (errno == ENOENT) return;
    fail_errno("remove VM '{}'", final_);
  }
  if (!is_still_named(parent_.get(), gone, vm_.get())) {
    // Between the look and the rename another command replaced it.
    if (rename_new(parent_.get(), gone, current_) != 0)
      fail_errno("put back the directory of VM '{}'", final_);
    return;
  }
  try {
    remove_tree(parent_.get(), gone, Deadline::after(kRemovalTime));
  } catch (const Error& error) {
    if (error.code() != Code::kTimeout && error.code() != Code::kBusy) throw;
  }
}

}  // namespace knaller::monitor
