// Copies, by an agent that serves this machine: what lies below guest() is its side.
#include "entry/copy.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "entry/test_agent.h"
#include "entry/tree_receiver.h"

namespace knaller::entry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Direction = CopyOptions::Direction;
using Names = std::vector<std::string>;

constexpr time_t kFileTime = 1'600'000'000, kFolderTime = 1'500'000'000;
const std::string kOddName = "-odd \xff'\"\n$HOME";

class CopyTest : public AgentTest {
 protected:
  CopyTest() {
    make_directories(host());
    make_directories(guest());
  }

  std::string host(const std::string& name = "") const { return folder_.path("host/" + name); }
  std::string guest(const std::string& name = "") const { return folder_.path("guest/" + name); }

  static void set_time(const std::string& path, time_t seconds) {
    const timespec times[2]{{seconds, 123'456'789}, {seconds, 123'456'789}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
  static void put(const std::string& path, const std::string& text, mode_t mode = 0644) {
    write_file_atomically(AT_FDCWD, path, text, Durability::kNoSync);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    set_time(path, kFileTime);
  }
  // A folder with all that one can hold.
  static void put_tree(const std::string& path) {
    make_directories(path + "/sub", 0755);
    make_directories(path + "/empty", 0700);
    put(path + "/file", "text", 0640);
    put(path + "/sub/run", "#!", 0755);
    put(path + "/sub/none", "");
    put(path + "/sub/" + std::string(180, 'n'), "long");
    put(path + "/sub/" + kOddName, "odd");
    std::filesystem::create_hard_link(path + "/sub/run", path + "/sub/same");
    std::filesystem::create_symlink("sub/run", path + "/link");
    std::filesystem::create_symlink("nowhere/" + std::string(150, 'x'), path + "/dangling");
    set_time(path + "/link", kFolderTime);
    ASSERT_EQ(::chmod((path + "/sub").c_str(), 0555), 0);
    set_time(path + "/sub", kFolderTime);
  }
  static void expect_tree(const std::string& path) {
    EXPECT_THAT(in(path), ElementsAre("dangling", "empty", "file", "link", "sub"));
    EXPECT_EQ(look(path + "/file").st_mode & 07777, 0640u);
    EXPECT_EQ(look(path + "/file").st_mtim.tv_sec, kFileTime);
    EXPECT_EQ(look(path + "/file").st_mtim.tv_nsec, 123'456'789);
    EXPECT_EQ(look(path + "/link").st_mtim.tv_sec, kFolderTime);
    EXPECT_EQ(read_file(path + "/file"), "text");
    EXPECT_EQ(look(path + "/sub/run").st_mode & 07777, 0755u);
    EXPECT_EQ(look(path + "/sub/run").st_ino, look(path + "/sub/same").st_ino);
    EXPECT_EQ(look(path + "/sub").st_mode & 07777, 0555u);
    EXPECT_EQ(look(path + "/sub").st_mtim.tv_sec, kFolderTime);
    EXPECT_EQ(look(path + "/empty").st_mode & 07777, 0700u);
    EXPECT_EQ(read_file(path + "/sub/none"), "");
    EXPECT_EQ(read_file(path + "/sub/" + std::string(180, 'n')), "long");
    EXPECT_EQ(read_file(path + "/sub/" + kOddName), "odd");
    EXPECT_EQ(std::filesystem::read_symlink(path + "/link"), "sub/run");
    EXPECT_EQ(std::filesystem::read_symlink(path + "/dangling"), "nowhere/" + std::string(150, 'x'));
  }
  static struct stat look(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    return status;
  }
  static Names in(const std::string& path) { return list_directory(open_directory(path).get()); }

  static Deadline soon(const CopyOptions& options) {
    return Deadline::after(std::chrono::minutes(10), options.stop);
  }
  Link link() const { return Link({connect(), {}}, "uuid-of-web"); }
  CopySummary to(const std::string& source, const std::string& target, CopyOptions options = {}) const {
    options.host_path = source;
    options.guest_path = target;
    return copy_to_guest(link(), options, progress_, soon(options));
  }
  CopySummary from(const std::string& source, const std::string& target, CopyOptions options = {}) const {
    options.guest_path = source;
    options.host_path = target;
    return copy_from_guest(link(), options, progress_, soon(options));
  }
  // Both ways, where they have to do the same: from and to folders that are named alike.
  struct Way {
    std::function<CopySummary(const std::string& source, const std::string& target, CopyOptions options)>
        copy;
    std::string source, target;
  };
  std::vector<Way> both_ways() const {
    return {{[this](const auto& source, const auto& target, const auto& options) {
               return to(host(source), guest(target), options);
             },
             host(), guest()},
            {[this](const auto& source, const auto& target, const auto& options) {
               return from(guest(source), host(target), options);
             },
             guest(), host()}};
  }
  void empty_both() const {
    for (const std::string& side : {host(), guest()})
      for (const std::string& name : in(side)) remove_tree(AT_FDCWD, side + name);
  }

  // The agent tidies up on its own when its client is gone.
  static void wait_until_alone(const std::string& path) {
    const Deadline patience = Deadline::after(std::chrono::minutes(1));
    while (in(path).size() > 1 && !patience.expired()) pause_for(std::chrono::milliseconds(5), patience);
  }

  CopyProgress progress_;
};

TEST_F(CopyTest, PutsAFileWhereItIsAsked) {
  for (const Way& way : both_ways()) {
    put(way.source + "f", "text", 04751);
    way.copy("f", "new", {});
    EXPECT_EQ(read_file(way.target + "new"), "text");
    EXPECT_EQ(look(way.target + "new").st_mode & 07777, 0751u);
    EXPECT_EQ(look(way.target + "new").st_mtim.tv_sec, kFileTime);
    way.copy("f", "", {});
    EXPECT_EQ(read_file(way.target + "f"), "text");
    put(way.source + "f", "other");
    way.copy("f", "new", {});
    EXPECT_EQ(read_file(way.target + "new"), "other");
    std::filesystem::create_symlink("new", way.target + "way");
    put(way.source + "f", "through");
    way.copy("f", "way", {});
    EXPECT_EQ(read_file(way.target + "new"), "through");
    EXPECT_TRUE(S_ISLNK(look(way.target + "way").st_mode));
    for (const char* target : {"absent/f", "absent/"})
      EXPECT_EQ(code_thrown_by([&] { way.copy("f", target, {}); }), Code::kNotFound) << target;
    EXPECT_EQ(code_thrown_by([&] { way.copy("absent", "", {}); }), Code::kNotFound);
    EXPECT_NE(code_thrown_by([&] { way.copy("f/", "", {}); }), std::nullopt);
    EXPECT_THAT(in(way.target), ElementsAre("f", "new", "way"));
    empty_both();
  }
  EXPECT_EQ(code_thrown_by([&] { from(guest() + "..", host()); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([&] { to("", guest()); }), Code::kInvalidArgument);
}

TEST_F(CopyTest, CopiesWholeFolders) {
  for (const Way& way : both_ways()) {
    put_tree(way.source + "tree");
    EXPECT_EQ(way.copy("tree", "new", {}).files, 11u);
    expect_tree(way.target + "new");
    way.copy("tree/", "", {});
    expect_tree(way.target + "tree");
    way.copy("tree/.", "contents", {});
    expect_tree(way.target + "contents");
    way.copy("tree/", "slash/", {});
    expect_tree(way.target + "slash");
    put(way.target + "contents/file", "changed");
    if (::geteuid() == 0) {
      way.copy("tree/.", "contents", {});
      set_time(way.target + "contents/sub", kFolderTime);  // what comes into a folder changes its time
      expect_tree(way.target + "contents");
    }
    put(way.target + "file", "");
    EXPECT_EQ(code_thrown_by([&] { way.copy("tree", "file", {}); }), Code::kAlreadyExists);
    EXPECT_EQ(code_thrown_by([&] { way.copy("tree/.", "file", {}); }), Code::kAlreadyExists);
    for (const std::string& side : {way.source, way.target})
      for (const std::string& name : in(side)) ::chmod((side + name + "/sub").c_str(), 0755);
    empty_both();
  }
}

TEST_F(CopyTest, FollowsTheLinkThatIsNamedUnlessLinksAreAskedFor) {
  for (const Way& way : both_ways()) {
    make_directories(way.source + "real");
    put(way.source + "real/f", "text");
    std::filesystem::create_symlink("real", way.source + "folder");
    std::filesystem::create_symlink("real/f", way.source + "file");
    way.copy("folder", "", {});
    EXPECT_TRUE(S_ISDIR(look(way.target + "folder").st_mode));
    EXPECT_EQ(read_file(way.target + "folder/f"), "text");
    way.copy("file", "", {});
    EXPECT_TRUE(S_ISREG(look(way.target + "file").st_mode));
    way.copy("file", "kept", {.links = true});
    EXPECT_EQ(std::filesystem::read_symlink(way.target + "kept"), "real/f");
    way.copy("folder/", "slash", {.links = true});
    EXPECT_EQ(read_file(way.target + "slash/f"), "text");
    empty_both();
  }
}

TEST_F(CopyTest, TakesNoLinkThatLeadsOutOfWhatComesFromAGuest) {
  make_directories(guest("d/sub"));
  std::filesystem::create_symlink("../../f", guest("d/sub/out"));
  EXPECT_EQ(code_thrown_by([&] { from(guest("d"), host()); }), Code::kPermission);
  EXPECT_THAT(in(host()), IsEmpty()) << "and nothing of the rest";
  EXPECT_THAT(message_thrown_by([&] { from(guest("d"), host()); }), HasSubstr("--links"));
  from(guest("d"), host(), {.links = true});
  EXPECT_EQ(std::filesystem::read_symlink(host("d/sub/out")), "../../f");
  // What goes in is the guest's.
  to(host("d"), guest("back"));
  EXPECT_EQ(std::filesystem::read_symlink(guest("back/sub/out")), "../../f");
}

TEST(LinkOfACopy, StaysInsideWhenItGoesUpNoFurtherThanTheSourceAndOnlyAtFirst) {
  EXPECT_TRUE(stays_inside(0, "a"));
  EXPECT_TRUE(stays_inside(0, "a/b//c/."));
  EXPECT_TRUE(stays_inside(1, "../a"));
  EXPECT_TRUE(stays_inside(2, "../.."));
  EXPECT_FALSE(stays_inside(0, "/a"));
  EXPECT_FALSE(stays_inside(0, ".."));
  EXPECT_FALSE(stays_inside(1, "../../a"));
  // `a` may be a link to the source itself.
  EXPECT_FALSE(stays_inside(1, "a/.."));
}

TEST_F(CopyTest, KeepsHoles) {
  constexpr off_t kSize = off_t{1} << 34;
  for (const Way& way : both_ways()) {
    const UniqueFd file(::open((way.source + "f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::ftruncate(file.get(), kSize), 0);
    write_at(file.get(), "middle", 6, 123'456'789);
    write_at(file.get(), "end", 3, kSize - 3);
    const CopySummary copied = way.copy("f", "", {});
    EXPECT_LT(copied.bytes, 1u << 20);
    const auto status = look(way.target + "f");
    EXPECT_EQ(status.st_size, kSize);
    EXPECT_LT(status.st_blocks * 512, 1 << 20);
    const UniqueFd copy = open_at(AT_FDCWD, way.target + "f", O_RDONLY);
    std::string text(6, 0);
    read_at(copy.get(), text.data(), 6, 123'456'789);
    EXPECT_EQ(text, "middle");
    read_at(copy.get(), text.data(), 3, kSize - 3);
    EXPECT_EQ(text.substr(0, 3), "end");
    empty_both();
  }
}

TEST_F(CopyTest, CopiesMegabytes) {
  const std::string big = random_bytes(20 << 20);
  for (const Way& way : both_ways()) {
    put(way.source + "big", big);
    way.copy("big", "", {});
    EXPECT_TRUE(read_file(way.target + "big", 32 << 20) == big);
    empty_both();
  }
}

TEST_F(CopyTest, CopiesStreams) {
  const std::string big = random_bytes(3 << 20);
  Pipe in_pipe = make_pipe();
  std::jthread writer([&] {
    write_all(in_pipe.write_end.get(), big, "the input");
    in_pipe.write_end.reset();
  });
  to("-", guest("f"), {.stream_fd = in_pipe.read_end.get()});
  EXPECT_TRUE(read_file(guest("f"), 8 << 20) == big);
  EXPECT_EQ(look(guest("f")).st_mode & 07777, 0644u);

  Pipe out_pipe = make_pipe();
  std::string heard;
  std::jthread reader([&] { heard = read_to_end(out_pipe.read_end.get(), 8 << 20, "the output"); });
  from(guest("f"), "-", {.stream_fd = out_pipe.write_end.get()});
  out_pipe.write_end.reset();
  reader.join();
  EXPECT_TRUE(heard == big);

  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(code_thrown_by([&] { from(guest(), "-", {.stream_fd = null.get()}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([&] { to("-", guest(), {.stream_fd = null.get()}); }), Code::kInvalidArgument);
}

TEST_F(CopyTest, SendsZerosForHolesDownAStream) {
  const UniqueFd file(::open(guest("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::ftruncate(file.get(), 300'000), 0);
  write_at(file.get(), "x", 1, 200'000);
  Pipe pipe = make_pipe();
  std::string heard;
  std::jthread reader([&] { heard = read_to_end(pipe.read_end.get(), 1 << 20, "the output"); });
  from(guest("f"), "-", {.stream_fd = pipe.write_end.get()});
  pipe.write_end.reset();
  reader.join();
  EXPECT_EQ(heard, std::string(200'000, 0) + "x" + std::string(99'999, 0));
}

// As a shell's <(command) gives one.
TEST_F(CopyTest, ReadsAPipeThatIsNamed) {
  Pipe pipe = make_pipe();
  write_all(pipe.write_end.get(), "from a pipe", "the pipe");
  pipe.write_end.reset();
  to(fmt::format("/dev/fd/{}", pipe.read_end.get()), guest("f"));
  EXPECT_EQ(read_file(guest("f")), "from a pipe");
  EXPECT_EQ(code_thrown_by([&] { to("/dev/zero", guest("g")); }), Code::kUnsupported);
  EXPECT_THAT(in(guest()), ElementsAre("f"));
}

TEST_F(CopyTest, ReadsFilesOfTheKernelThatSayTheyAreEmpty) {
  from("/proc/version", host());
  EXPECT_EQ(read_file(host("version")), read_file("/proc/version"));
  to("/proc/version", guest());
  EXPECT_EQ(read_file(guest("version")), read_file("/proc/version"));
}

TEST_F(CopyTest, CopiesAGrowingFileAsFarAsItWasThere) {
  for (const Way& way : both_ways()) {
    make_directories(way.source + "d");
    // More than is on its way at once, so that its sender still reads when the first of it has come.
    constexpr off_t kSize = 64 << 20;
    put(way.source + "d/log", std::string(kSize, 'x'));
    const UniqueFd log(::open((way.source + "d/log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    progress_ = [&](uint64_t, uint64_t) { write_all(log.get(), "another line\n", "the log"); };
    const CopySummary copied = way.copy("d", "", {});
    progress_ = {};
    EXPECT_THAT(copied.changed, ElementsAre("log"));
    EXPECT_GE(look(way.target + "d/log").st_size, kSize);
    EXPECT_LT(look(way.target + "d/log").st_size, look(way.source + "d/log").st_size);
    empty_both();
  }
}

// As /bin, /tmp and /root are there in every guest.
TEST_F(CopyTest, LeavesFoldersAndLinksToThemAsTheyAre) {
  make_directories(host("src/bin"), 0700);
  make_directories(host("src/tmp/new"), 0750);
  put(host("src/bin/tool"), "tool");
  put(host("src/tmp/new/f"), "f");
  make_directories(guest("usr/bin"));
  make_directories(guest("tmp"));
  std::filesystem::create_symlink("usr/bin", guest("bin"));
  ASSERT_EQ(::chmod(guest("tmp").c_str(), 01777), 0);
  to(host("src/."), guest());
  for (const char* name : {"bin", "tmp"}) to(host("src/") + name, guest());
  EXPECT_EQ(read_file(guest("usr/bin/tool")), "tool");
  EXPECT_EQ(look(guest("tmp")).st_mode & 07777, 01777u);
  EXPECT_EQ(look(guest("tmp/new")).st_mode & 07777, 0750u);
  EXPECT_TRUE(S_ISLNK(look(guest("bin")).st_mode));
  // And so does the way back.
  for (const char* name : {"bin", "tmp"}) make_directories(host(name), 0700);
  from(guest("tmp"), host());
  from(guest("usr/bin"), host());
  EXPECT_EQ(look(host("tmp")).st_mode & 07777, 0700u);
  EXPECT_EQ(read_file(host("bin/tool")), "tool");
}

TEST_F(CopyTest, ReplacesNothingButFiles) {
  const std::vector<std::function<void(const std::string&)>> kinds{
      [](const std::string& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); },
      [](const std::string& path) { ASSERT_EQ(::mknod(path.c_str(), S_IFSOCK | 0600, 0), 0); },
      [](const std::string& path) { ASSERT_EQ(::mkdir(path.c_str(), 0700), 0); },
      [](const std::string& path) { std::filesystem::create_symlink("/dev/null", path); },
      [](const std::string& path) { std::filesystem::create_symlink("/", path); }};
  for (const Way& way : both_ways()) {
    make_directories(way.source + "deep/a");
    put(way.source + "deep/a/x", "new");
    make_directories(way.target + "deep/a");
    for (const auto& make : kinds) {
      make(way.target + "deep/a/x");
      const auto before = look(way.target + "deep/a/x");
      for (const char* target : {"", "deep"})
        EXPECT_EQ(code_thrown_by([&] { way.copy(*target == 0 ? "deep" : "deep/.", target, {}); }),
                  Code::kAlreadyExists);
      EXPECT_EQ(look(way.target + "deep/a/x").st_ino, before.st_ino);
      EXPECT_EQ(look(way.target + "deep/a/x").st_mode, before.st_mode);
      EXPECT_THAT(in(way.target + "deep/a"), ElementsAre("x")) << "and nothing beside it was made";
      if (!std::filesystem::is_directory(way.target + "deep/a/x")) {
        for (const char* source : {"deep/a/x", "deep"})
          EXPECT_EQ(code_thrown_by([&] { way.copy(source, "deep/a/x", {}); }), Code::kAlreadyExists);
      }
      remove_tree(AT_FDCWD, way.target + "deep/a/x");
    }
    put(way.target + "deep/a/x", "old");
    way.copy("deep", "", {});
    EXPECT_EQ(read_file(way.target + "deep/a/x"), "new");
    empty_both();
  }
}

TEST_F(CopyTest, FollowsNobodyElsesLinkInASharedFolder) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes links that are somebody else's";
  put(guest("f"), "new");
  put(host("mine"), "mine");
  make_directories(host("shared"));
  ASSERT_EQ(::chmod(host("shared").c_str(), 01777), 0);
  std::filesystem::create_symlink("../mine", host("shared/file"));
  ASSERT_EQ(::lchown(host("shared/file").c_str(), 12345, 12345), 0);
  EXPECT_EQ(code_thrown_by([&] { from(guest("f"), host("shared/file")); }), Code::kPermission);
  EXPECT_EQ(read_file(host("mine")), "mine");
}

TEST_F(CopyTest, KeepsOwnersAndModesWhenAsked) {
  for (const Way& way : both_ways()) {
    make_directories(way.source + "d");
    put(way.source + "d/f", "x", 0666);
    ASSERT_EQ(::chmod((way.source + "d").c_str(), 0777), 0);
    const bool is_root = ::geteuid() == 0;
    ASSERT_TRUE(!is_root || ::chown((way.source + "d/f").c_str(), 7, 8) == 0);
    way.copy("d", "plain", {});
    way.copy("d", "kept", {.archive = true});
    EXPECT_EQ(look(way.target + "plain").st_mode & 0777, 0755u);
    EXPECT_EQ(look(way.target + "plain/f").st_mode & 0777, 0644u);
    EXPECT_EQ(look(way.target + "plain/f").st_uid, ::geteuid());
    EXPECT_EQ(look(way.target + "kept").st_mode & 0777, 0777u);
    EXPECT_EQ(look(way.target + "kept/f").st_mode & 0777, 0666u);
    EXPECT_EQ(look(way.target + "kept/f").st_uid, is_root ? 7u : ::geteuid());
    EXPECT_EQ(look(way.target + "kept/f").st_gid, is_root ? 8u : ::getegid());
    empty_both();
  }
}

TEST_F(CopyTest, KeepsExtendedAttributesWhenAsked) {
  for (const Way& way : both_ways()) {
    put(way.source + "f", "x");
    if (::setxattr((way.source + "f").c_str(), "user.origin", "here", 4, 0) != 0 && errno == ENOTSUP)
      GTEST_SKIP() << "this file system has no extended attributes";
    way.copy("f", "plain", {});
    way.copy("f", "kept", {.xattrs = true});
    char value[8];
    EXPECT_EQ(::getxattr((way.target + "plain").c_str(), "user.origin", value, sizeof value), -1);
    EXPECT_EQ(::getxattr((way.target + "kept").c_str(), "user.origin", value, sizeof value), 4);
    empty_both();
  }
}

TEST_F(CopyTest, PassesOverDevicesPipesAndSocketsAndSaysSo) {
  for (const Way& way : both_ways()) {
    make_directories(way.source + "d");
    ASSERT_EQ(::mkfifo((way.source + "d/pipe").c_str(), 0600), 0);
    put(way.source + "d/f", "x");
    EXPECT_THAT(way.copy("d", "", {}).left_out, ElementsAre("pipe"));
    EXPECT_THAT(in(way.target + "d"), ElementsAre("f"));
    empty_both();
  }
  ASSERT_EQ(::mkfifo(guest("pipe").c_str(), 0600), 0);
  EXPECT_EQ(code_thrown_by([&] { from(guest("pipe"), host()); }), Code::kUnsupported);
}

TEST_F(CopyTest, CopiesNoMoreThanIsAllowed) {
  for (const Way& way : both_ways()) {
    make_directories(way.source + "d");
    for (const char* name : {"d/a", "d/b"}) put(way.source + name, std::string(600'000, 'x'));
    EXPECT_EQ(code_thrown_by([&] { way.copy("d", "", {.max_bytes = 1 << 20}); }), Code::kExhausted);
    way.copy("d/a", "", {.max_bytes = 1 << 20});
    wait_until_alone(way.target);
    EXPECT_THAT(in(way.target), ElementsAre("a"));
    empty_both();
  }
}

TEST_F(CopyTest, TellsItsProgress) {
  for (const Way& way : both_ways()) {
    make_directories(way.source + "d");
    put(way.source + "d/big", random_bytes(5 << 20));
    put(way.source + "d/small", "12345");
    uint64_t last = 0, total = 0;
    progress_ = [&](uint64_t done, uint64_t all) {
      EXPECT_GE(done, last);
      last = done;
      total = all;
    };
    const CopySummary copied = way.copy("d", "", {});
    EXPECT_EQ(copied.files, 3u);
    EXPECT_EQ(copied.bytes, (5u << 20) + 5);
    EXPECT_EQ(last, copied.bytes);
    EXPECT_GE(total, copied.bytes);
    empty_both();
  }
}

TEST_F(CopyTest, SaysWhatFailedInTheGuest) {
  put(host("f"), "x");
  EXPECT_THAT(message_thrown_by([&] { to(host("f"), guest("absent/f")); }),
              HasSubstr("open '" + guest("absent") + "' in the guest: No such file or directory"));
  EXPECT_THAT(message_thrown_by([&] { to(host("f"), guest(), {.user = "nobody-of-that-name"}); }),
              HasSubstr("nobody-of-that-name"));
  EXPECT_EQ(code_thrown_by([&] { to(host("f"), "/proc/f"); }), Code::kNotFound);
}

// Whenever it is broken off, a folder is whole or not there, and so is a file.
TEST_F(CopyTest, LeavesNothingOfACopyThatIsBrokenOff) {
  for (const Way& way : both_ways()) {
    make_directories(way.source + "d");
    for (int i = 0; i < 50; ++i) put(way.source + fmt::format("d/{}", i), std::string(200'000, 'x'));
    put(way.target + "f", "before");
    put(way.source + "f", std::string(10 << 20, 'y'));
    for (const uint64_t after : {uint64_t{0}, uint64_t{100'000}, uint64_t{5'000'000}}) {
      std::stop_source stop;
      progress_ = [&](uint64_t done, uint64_t) {
        if (done > after) stop.request_stop();
      };
      for (const char* name : {"d", "f"})
        EXPECT_EQ(code_thrown_by([&] { way.copy(name, "", {.stop = stop.get_token()}); }), Code::kCancelled);
    }
    progress_ = {};
    wait_until_alone(way.target);
    EXPECT_THAT(in(way.target), ElementsAre("f"));
    EXPECT_EQ(read_file(way.target + "f"), "before");
    empty_both();
  }
}

TEST_F(CopyTest, TakesOddNamesAndRelativePaths) {
  put(host(kOddName), "1");
  to(host(kOddName), guest());
  from(guest(kOddName), host("back"));
  EXPECT_EQ(read_file(host("back")), "1");
}

}  // namespace
}  // namespace knaller::entry
