#include "base/file_watch.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test_folder.h"

namespace knaller {
namespace {

TEST(FileWatch, TellsNamesOfAFolderAndChangesOfAFile) {
  const TestFolder folder;
  FileWatch watch;
  const int on_folder = watch.add(folder.fd(), IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM);
  EXPECT_TRUE(watch.read().empty());
  const UniqueFd file = open_at(folder.fd(), "a", O_WRONLY | O_CREAT);
  const int on_file = watch.add(file.get(), IN_MODIFY);
  write_all(file.get(), "x", "a");
  ASSERT_EQ(::renameat(folder.fd(), "a", folder.fd(), "b"), 0);
  write_all(file.get(), "y", "a");  // whatever its name is

  const auto changes = watch.read();
  ASSERT_EQ(changes.size(), 5u);
  EXPECT_EQ(changes[0].watch, on_folder);
  EXPECT_EQ(changes[0].mask, static_cast<uint32_t>(IN_CREATE));
  EXPECT_EQ(changes[0].name, "a");
  EXPECT_EQ(changes[1].watch, on_file);
  EXPECT_EQ(changes[1].name, "");
  EXPECT_EQ(changes[2].name, "a");
  EXPECT_EQ(changes[3].name, "b");
  EXPECT_EQ(changes[4].watch, on_file);
}

TEST(FileWatch, ForgetsWhatIsRemoved) {
  const TestFolder folder;
  FileWatch watch;
  const int on_folder = watch.add(folder.fd(), IN_CREATE);
  EXPECT_EQ(watch.add(folder.fd(), IN_CREATE), on_folder);
  watch.remove(on_folder);
  watch.remove(on_folder);
  watch.read();
  open_at(folder.fd(), "a", O_WRONLY | O_CREAT);
  EXPECT_TRUE(watch.read().empty());
}

}  // namespace
}  // namespace knaller
