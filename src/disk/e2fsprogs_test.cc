#include "disk/e2fsprogs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/test_folder.h"
#include "disk/private_disk.h"

namespace knaller::disk {
namespace {

Code code_of(int exit_code, const std::string& words = "e2fsck 1.47.0") {
  return unmended({.status = {.value = exit_code}, .out = words}).code();
}

// e2fsck(8), "EXIT CODE": a sum.
TEST(E2fsck, HasMendedWhatItSaysItHas) {
  for (const int fine : {0, 1, 2, 3}) EXPECT_TRUE(has_mended({.value = fine})) << fine;
  for (const int not_fine : {4, 5, 8, 12, 16, 32, 127, 128}) EXPECT_FALSE(has_mended({.value = not_fine}));
  EXPECT_FALSE(has_mended({.signaled = true, .value = 1}));
}

TEST(E2fsck, FindsDamageOnlyWhenItSaysSo) {
  for (const int damage : {4, 5, 4 | 8, 4 | 32}) EXPECT_EQ(code_of(damage), Code::kCorrupt) << damage;
  for (const int no_answer : {8, 16, 32, 33, 127, 128}) EXPECT_EQ(code_of(no_answer), Code::kIo) << no_answer;
  EXPECT_EQ(unmended({.status = {.signaled = true, .value = SIGKILL}}).code(), Code::kIo);
  EXPECT_EQ(unmended({.status = {.signaled = true, .value = SIGILL}}).code(), Code::kIo);  // 4
}

TEST(E2fsck, SaysThatItHadNoMemory) {
  EXPECT_EQ(code_of(8, "Error allocating block bitmap (1): Memory allocation failed"), Code::kExhausted);
  EXPECT_EQ(code_of(127, "error while loading shared libraries: cannot map: Cannot allocate memory"),
            Code::kExhausted);
  EXPECT_EQ(code_of(4 | 8, "Memory allocation failed"), Code::kCorrupt);
}

// By the program itself.
class RealE2fsck : public ::testing::Test {
 protected:
  RealE2fsck() { make_private_disk(path_, 64); }
  Error fault(std::vector<std::string> arguments) const {
    const UniqueFd disk = open_at(AT_FDCWD, path_, O_RDWR);
    const ProgramOutput result =
        run_e2fs_program(disk.get(), "e2fsck", std::move(arguments), Deadline::never());
    EXPECT_FALSE(has_mended(result.status));
    return unmended(result);
  }

  TestFolder folder_;
  std::string path_ = folder_.path("disk.ext4");
};

TEST_F(RealE2fsck, DoesNotCallADiskDamagedThatItDidNotRead) {
  const Error error = fault({"-f", "--no-such-option"});
  EXPECT_EQ(error.code(), Code::kIo) << error.what();
  EXPECT_NE(std::string(error.what()).find("exit code 16"), std::string::npos) << error.what();
}

// resize2fs 1.47 ends with 0 when a write of some of the super block's fields has failed.
TEST_F(RealE2fsck, DoesNotBelieveAResizeThatLeftAHalfWrittenSuperBlock) {
  const UniqueFd disk = open_at(AT_FDCWD, path_, O_RDWR);
  write_at(disk.get(), "half a label", 12, 1024 + 120);
  ASSERT_EQ(::symlink("/bin/true", folder_.path("resize2fs").c_str()), 0);
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", folder_.path().c_str(), 1);
  const std::string error = message_thrown_by([&] { resize_file_system(disk.get(), {}, Deadline::never()); });
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(error, "resize2fs left a super block that is not whole | ");
}

}  // namespace
}  // namespace knaller::disk
