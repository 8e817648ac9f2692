#include "monitor/vm_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "monitor/alive.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

// The event loop stands still for it: others wait for their leases to be undone.
constexpr std::chrono::milliseconds kClearTime{200};
// Nothing runs any more, but whoever undid the start waits.
constexpr std::chrono::seconds kRemovalTime{2};

UniqueFd open_folder(const LaunchSpec& spec) {
  const UniqueFd home = open_directory(spec.home);
  return open_beneath(home.get(), std::string(store::folder_of(spec.entry.kind)), O_RDONLY | O_DIRECTORY);
}

}  // namespace

VmDirectory::VmDirectory(const LaunchSpec& spec)
    : entry_(open_folder(spec), spec.entry),
      jail_(open_beneath(entry_.fd(), layout::kJail, O_RDONLY | O_DIRECTORY)),
      alive_(lock_monitor_alive(entry_.fd())) {
  if (::fchdir(entry_.fd()) != 0) fail_errno("change to '{}'", spec.entry.present_name());
}

void VmDirectory::clear_in_jail(const std::string& name) const {
  clear_name(jail_.get(), name, entry_.fd(), Deadline::after(kClearTime));
}

// One of its own: a monitor has no lock, and a command may be removing another VM of that name.
std::string VmDirectory::gone_name() const {
  return fmt::format("{}{}.{}", layout::kGonePrefix, entry_.change().name, hex(random_bytes(4)));
}

bool VmDirectory::undo() {
  if (entry_.change().how == store::EntryChange::How::kKeep) return false;
  entry_.undo(gone_name(), Deadline::after(kRemovalTime));
  return true;
}

void VmDirectory::remove() {
  entry_.remove(gone_name(), Deadline::after(kRemovalTime));
}

}  // namespace knaller::monitor
