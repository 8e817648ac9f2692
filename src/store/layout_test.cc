#include "store/layout.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"

namespace knaller::layout {
namespace {

TEST(Layout, NamesEachFileOfAPlaceOnce) {
  std::set<std::pair<Place, std::string_view>> seen;
  for (const File& file : files()) {
    EXPECT_TRUE(seen.insert({file.place, file.name}).second) << file.name;
    EXPECT_FALSE(file.name.empty() || file.name.starts_with('.')) << file.name;
  }
}

// Sockets and fifos of processes that are gone, and what only their monitor or engine made.
TEST(Layout, SaysWhatMayBeLeftOver) {
  EXPECT_EQ(leftovers(Place::kInVm, Leftover::kOfTheDead), std::vector<std::string>{"monitor.sock"});
  EXPECT_EQ(leftovers(Place::kInJail, Leftover::kOfTheDead),
            (std::vector<std::string>{"api.sock", "vsock.sock", "log"}));
  EXPECT_EQ(leftovers(Place::kInJail, Leftover::kOfACapture),
            (std::vector<std::string>{"new-memory", "new-state"}));
  for (const File& file : files()) {
    const bool of_others = file.leftover == Leftover::kOfTheDead || file.leftover == Leftover::kOfACapture;
    EXPECT_FALSE(of_others && file.writer == Writer::kCommand) << file.name;
  }
}

TEST(Layout, SaysHowAFileHasToBe) {
  EXPECT_EQ(access_of(Place::kInVm, "jail"), Access::kFolder);
  EXPECT_EQ(access_of(Place::kInVm, "console.log.1"), Access::kPrivate);
  EXPECT_EQ(access_of(Place::kInSnapshot, "metadata.json"), Access::kPrivate);
  EXPECT_EQ(access_of(Place::kInSnapshot, "ssh_key"), Access::kImmutable);
  EXPECT_EQ(access_of(Place::kInSnapshot, "somebody's"), Access::kImmutable);
  EXPECT_EQ(access_of(Place::kInImage, "image.json"), Access::kPrivate);
  EXPECT_EQ(access_of(Place::kInJail, "whatever"), Access::kEngines);
}

// All of a snapshot is in its manifest but the manifest itself and the one file that changes.
TEST(Layout, KnowsWhatNoDigestVouchesFor) {
  for (const File& file : files()) {
    if (file.place != Place::kInSnapshot) continue;
    EXPECT_EQ(file.digest == Digest::kNone, file.name == "manifest" || file.name == "labels.json")
        << file.name;
  }
}

TEST(Layout, KnowsWhatImagesShareWithVms) {
  for (const char* name : {"base.ext4", "vmlinux", "initramfs"}) EXPECT_TRUE(comes_from_image(name)) << name;
  for (const char* name : {"disk.ext4", "rootfs.ext4", "memory", "state", "ssh_key", "image.json", ""})
    EXPECT_FALSE(comes_from_image(name)) << name;
}

TEST(Layout, TellsAMonitorsWriteFromACommands) {
  EXPECT_TRUE(is_monitors_write(Place::kInVm, temporary_name("exit.json")));
  EXPECT_FALSE(is_monitors_write(Place::kInVm, temporary_name("vm.json")));
  EXPECT_FALSE(is_monitors_write(Place::kInVm, "exit.json"));
}

TEST(Layout, FindsTheNameInAHiddenOne) {
  EXPECT_EQ(name_in_hidden(staged_name("web")), "web");
  EXPECT_EQ(name_in_hidden(".gone-web"), "web");
  EXPECT_EQ(name_in_hidden(".old-web"), "web");
  EXPECT_EQ(name_in_hidden("web"), "");
  EXPECT_EQ(name_in_hidden(".labels.json.x"), "");
}

}  // namespace
}  // namespace knaller::layout
