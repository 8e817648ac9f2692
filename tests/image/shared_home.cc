#include "shared_home.h"

#include "base/process.h"
#include "disk/ext4.h"

namespace knaller::image {

SharedHome& SharedHome::shared() {
  static SharedHome home;
  return home;
}

SharedHome::SharedHome() {
  tiny_ = build(home_, options("tiny"), Deadline::after(std::chrono::minutes(10)));
}

BuildOptions SharedHome::options(const std::string& name) const {
  return {.kind = BuildKind::kTiny,
          .name = name,
          .guest_helper = KNALLER_GUEST_HELPER,
          .cache_folder = folder_.path("packages")};
}

std::vector<std::string> all_entries(const store::Home& home) {
  return list_directory(home.folder(store::Kind::kImage));
}

void replay_journal(const std::string& image) {
  SpawnOptions options;
  options.argv = {disk::require_program("e2fsck", "e2fsprogs"), "-y", "-E", "journal_only", image};
  run_program(std::move(options), Deadline::never());  // its code is 1 when there was something to do
}

std::string debugfs(const std::string& image, const std::string& request, DebugfsMode mode) {
  SpawnOptions options;
  options.argv = {disk::require_program("debugfs", "e2fsprogs"), "-R", request, image};
  if (mode == DebugfsMode::kWrite) options.argv.insert(options.argv.begin() + 1, "-w");
  return run_checked(std::move(options), Deadline::never());
}

}  // namespace knaller::image
