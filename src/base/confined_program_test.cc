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
  // By its standard input: -e would have it open /dev/null.
  std::string perl(const std::string& script) {
    return run(fmt::format("exec 2>&1; echo '{}' | perl - \"$1/secret\"", script)).out;
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
  EXPECT_THAT(run("cat \"$1/secret\" 2>&1 || echo refused").out, testing::EndsWith("refused\n"));
  EXPECT_EQ(run("(echo x > \"$1/new\") || echo refused").out, "refused\n");
  EXPECT_EQ(run("(echo x >> \"$1/secret\") || echo refused").out, "refused\n");
  EXPECT_EQ(run("rm -f \"$1/secret\" || echo refused").out, "refused\n");
  EXPECT_EQ(run("ln -s a \"$1/link\" || echo refused").out, "refused\n");
  EXPECT_EQ(run("mv \"$1/secret\" \"$1/moved\" || echo refused").out, "refused\n");
  EXPECT_EQ(list_directory(folder_.fd()), (std::vector<std::string>{"image", "secret"}));
}

// A name is enough for these: Landlock's first version, or any, lets them pass.
TEST_F(ConfinedProgramTest, ChangesNothingThatItCannotOpen) {
  const struct stat before = *stat_if_exists(folder_.fd(), "secret");
  for (const char* attempt : {"chmod 0777", "chown $(id -u)", "touch -d 2001-01-01", "truncate -s 0"})
    EXPECT_EQ(run(std::string(attempt) + " \"$1/secret\" || echo refused").out, "refused\n") << attempt;
  for (const char* attempt : {"truncate($ARGV[0], 0)", "sysopen(F, $ARGV[0], O_RDONLY | O_TRUNC)",
                              "sysopen(F, $ARGV[0], O_ACCMODE | O_TRUNC)"})
    EXPECT_EQ(perl(fmt::format("use Fcntl; print {} ? \"done\" : \"refused\"", attempt)), "refused")
        << attempt;
  const struct stat after = *stat_if_exists(folder_.fd(), "secret");
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
  EXPECT_EQ(read_file(folder_.fd(), "secret"), "secret\n");
}

// With arguments that would get any other answer: EPERM is the filter's, and ENOSYS what it says of calls
// that it can't look into or that are newer.
TEST_F(ConfinedProgramTest, MakesNoCallThatItDoesNotNeed) {
  constexpr long kFchmodat2 = 452;
  constexpr long kNewerThanAll = 900;
  const struct {
    long number;
    const char* arguments;
  } calls[] = {{SYS_socket, "1, 1, 0"},
               {SYS_socketpair, "99, 1, 0, 0"},
               {SYS_setxattr, "0, 0, 0, 0, 0"},
               {SYS_fchmod, "99, 0"},
               {SYS_fchown, "99, 0, 0"},
               {SYS_utimensat, "99, 0, 0, 0"},
               {SYS_unshare, "0"},
               {SYS_setns, "99, 0"},
               {SYS_ptrace, "99, 0, 0, 0"},
               {SYS_kill, "$$, 0"},
               {SYS_prlimit64, "$$, 7, 0, 0"},
               {SYS_bpf, "99, 0, 0"},
               {SYS_keyctl, "99"},
               {SYS_userfaultfd, "99"},
               {SYS_ioctl, "99, 0x40086602, 0"},
               {SYS_ioctl, "99, 0x100000000 | 0x40086602, 0"},
               {SYS_openat, "99, 0, 0x100000000 | 01000"},
               {SYS_openat2, "99, 0, 0, 0"},
               {SYS_clone3, "0, 0"},
               {kFchmodat2, "99, 0, 0, 0"},
               {kNewerThanAll, "0"}};
  for (const auto& [number, arguments] : calls)
    EXPECT_EQ(perl(fmt::format("syscall({}, {}); print $!{{EPERM}} || $!{{ENOSYS}} ? \"refused\" : $!",
                               number, arguments)),
              "refused")
        << number;
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
