#include "image/staging.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "image/builders.h"
#include "store/names.h"

namespace knaller::image {

store::EntryLock lock_image(const store::Home& home, const std::string& name, const std::string& verb,
                            const EventSink& sink, const Deadline& deadline) {
  return home.lock(store::Kind::kImage, name, verb, deadline, [&](const std::string& holder) {
    say(sink, EventKind::kNote,
        fmt::format("waiting for another command on the image '{}': {}", name, holder));
  });
}

store::Transaction::How how_to_make(const store::EntryLock& lock, bool replace) {
  if (replace) return store::Transaction::How::kReplace;
  if (!lock.home().has(store::Kind::kImage, lock.name())) return store::Transaction::How::kMake;
  throw Error(
      Code::kAlreadyExists, fmt::format("there is an image '{}' already", lock.name()),
      fmt::format("remove it first (VMs that were started from it keep running): knaller image rm {}; or "
                  "replace it: --replace",
                  lock.name()));
}

void write_new_file(int directory, const std::string& name, std::string_view content) {
  const UniqueFd file = open_at(directory, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
  write_all(file.get(), content, fmt::format("'{}' of the image", name));
}

void settle(int directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const UniqueFd file = open_at(directory, name, O_RDONLY);
    if (::fchmod(file.get(), 0400) != 0) fail_errno("make '{}' read-only", name);
    fsync_fd(file.get(), fmt::format("'{}' of the image", name));
  }
}

void remove(const store::Home& home, const std::string& name, const Deadline& deadline) {
  store::Name::parse(name, "image name");
  const store::EntryLock lock = lock_image(home, name, "image rm", {}, deadline);
  if (!home.has(store::Kind::kImage, name)) fail(Code::kNotFound, "there is no image '{}'", name);
  store::Transaction::remove(lock);
}

}  // namespace knaller::image
