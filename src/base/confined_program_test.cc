#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/process.h"
#include "base/test_folder.h"

namespace knaller {
namespace {

using testing::HasSubstr;

class ConfinedProgramTest : public testing::Test {
 protected:
  ConfinedProgramTest() {
    write_file_atomically(folder_.fd(), "image", "image\n");
    write_file_atomically(folder_.fd(), "secret", "secret\n");
    image_ = open_at(folder_.fd(), "image", O_RDWR);
  }

  ProgramOutput run(const std::string& script) {
    return run_program({.argv = {"/bin/sh", "-c", script, "sh", folder_.path("")},
                        .descriptors = {{image_.get(), 3}},
                        .confinement = Confinement{.file = image_.get(), .file_bytes = 1 << 20}},
                       kSoon);
  }
  static bool has_landlock() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
  }

  TestFolder folder_;
  UniqueFd image_;
};

TEST_F(ConfinedProgramTest, ReadsAndWritesItsFile) {
  const ProgramOutput done = run("cat /dev/fd/3 && echo more >> /dev/fd/3");
  EXPECT_TRUE(done.status.success()) << done.err;
  EXPECT_EQ(done.out, "image\n");
  EXPECT_EQ(read_file(folder_.fd(), "image"), "image\nmore\n");
}

TEST_F(ConfinedProgramTest, OpensNothingElse) {
  if (!has_landlock()) GTEST_SKIP() << "there is no Landlock here";
  EXPECT_EQ(run("cat \"$1/secret\" 2> /dev/fd/2 || echo refused").out, "refused\n");
  EXPECT_EQ(run("(echo x > \"$1/new\") || echo refused").out, "refused\n");
  EXPECT_EQ(run("(echo x >> \"$1/secret\") || echo refused").out, "refused\n");
  EXPECT_EQ(run("rm -f \"$1/secret\" || echo refused").out, "refused\n");
  EXPECT_EQ(run("ln -s a \"$1/link\" || echo refused").out, "refused\n");
  EXPECT_EQ(run("mv \"$1/secret\" \"$1/moved\" || echo refused").out, "refused\n");
  EXPECT_EQ(list_directory(folder_.fd()), (std::vector<std::string>{"image", "secret"}));
}

TEST_F(ConfinedProgramTest, HasLimitsAndNoPrivileges) {
  EXPECT_EQ(run("ulimit -n; ulimit -c").out, "64\n0\n");
  const ProgramOutput large =
      run("head -c 2000000 /proc/self/exe | cat >> /dev/fd/3; cat /usr/bin/* >> /dev/fd/3");
  EXPECT_FALSE(large.status.success());
  EXPECT_LE(file_size(image_.get()), 1U << 20);
  EXPECT_THAT(run("cat /proc/self/status").out, HasSubstr("NoNewPrivs:\t1"));
}

}  // namespace
}  // namespace knaller
