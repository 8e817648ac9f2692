#include "vm/home/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/test_folder.h"
#include "store/layout.h"

namespace knaller::vm {
namespace {

using ::testing::UnorderedElementsAre;

class JailTest : public testing::Test {
 protected:
  JailTest() {
    make_vm_directories(folder_.fd());
    put("parts/vmlinux", "a kernel");
    refresh();
  }
  void put(const std::string& name, const std::string& content) const {
    write_file_atomically(folder_.fd(), name, content, Durability::kNoSync);
  }
  void refresh() const { refresh_jail(folder_.fd(), {{layout::kKernel, layout::kKernel}}, kSoon); }
  std::string in_jail() const {
    return read_file_if_exists(folder_.fd(), "jail/vmlinux").value_or("nothing");
  }
  timespec changed() const { return stat_if_exists(folder_.fd(), "jail").value().st_ctim; }

  TestFolder folder_;
};

TEST_F(JailTest, HasTheParts) {
  EXPECT_EQ(in_jail(), "a kernel");
}

// What is not changed needs not be made durable.
TEST_F(JailTest, IsLeftAloneWhenItIsAsItShouldBe) {
  const timespec before = changed();
  refresh();
  EXPECT_EQ(changed().tv_sec, before.tv_sec);
  EXPECT_EQ(changed().tv_nsec, before.tv_nsec);
}

TEST_F(JailTest, GetsAnewWhatAnEngineReplaced) {
  put("jail/vmlinux", "of the engine's");
  refresh();
  EXPECT_EQ(in_jail(), "a kernel");
  ASSERT_EQ(::unlink(folder_.path("jail/vmlinux").c_str()), 0);
  ASSERT_EQ(::symlink("../parts/vmlinux", folder_.path("jail/vmlinux").c_str()), 0);
  refresh();
  EXPECT_TRUE(S_ISREG(stat_if_exists(folder_.fd(), "jail/vmlinux").value().st_mode));
  ASSERT_EQ(::unlink(folder_.path("jail/vmlinux").c_str()), 0);
  ASSERT_EQ(::mkdir(folder_.path("jail/vmlinux").c_str(), 0700), 0);
  put("jail/vmlinux/deep", "x");
  refresh();
  EXPECT_EQ(in_jail(), "a kernel");
}

TEST_F(JailTest, LosesTheSocketsOfTheDead) {
  put("jail/api.sock", "");
  refresh();
  EXPECT_THAT(list_directory(open_directory(folder_.path("jail")).get()), UnorderedElementsAre("vmlinux"));
}

}  // namespace
}  // namespace knaller::vm
