// cp against real servers. The "guest" shares this host's files, so its side is looked at directly, below
// guest().
#include "guest/copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "guest/renew.h"
#include "guest/test_server.h"

namespace knaller::guest {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

Deadline soon() {
  return Deadline::after(30s);
}

class CopyTest : public testing::TestWithParam<ServerKind> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_server(GetParam()); !why.empty()) GTEST_SKIP() << why;
    server_.emplace(GetParam());
    make_directories(host());
    make_directories(guest());
  }

  std::string host(const std::string& name = "") const { return files_.path("host/" + name); }
  std::string guest(const std::string& name = "") const { return files_.path("guest/" + name); }
  static void put(const std::string& path, const std::string& text, mode_t mode = 0644,
                  time_t time = 1'600'000'000) {
    write_file_atomically(AT_FDCWD, path, text, Durability::kNoSync);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const timespec times[2]{{time, 0}, {time, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  // A folder with all that one can hold.
  void put_tree(const std::string& path) {
    make_directories(path + "/sub", 0755);
    make_directories(path + "/empty", 0700);
    ASSERT_EQ(::chmod((path + "/sub").c_str(), 0555), 0);
    put(path + "/file", "text", 0640);
    put(path + "/sub/run", "#!", 0755);
    put(path + "/sub/none", "");
    put(path + "/sub/" + std::string(180, 'n'), "long");
    put(path + "/sub/-odd \xff'\"\n$HOME", "odd");
    std::filesystem::create_symlink("sub/run", path + "/link");
    std::filesystem::create_symlink("/nonexistent/" + std::string(150, 'x'), path + "/dangling");
    set_times(path + "/sub");
  }
  static void set_times(const std::string& path) {
    const timespec times[2]{{1'500'000'000, 0}, {1'500'000'000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  static void expect_tree(const std::string& path) {
    EXPECT_EQ(list_directory(open_directory(path).get()),
              (Names{"dangling", "empty", "file", "link", "sub"}));
    EXPECT_EQ(look(path + "/file").st_mode & 07777, 0640u);
    EXPECT_EQ(look(path + "/file").st_mtime, 1'600'000'000);
    EXPECT_EQ(read_file(path + "/file"), "text");
    EXPECT_EQ(look(path + "/sub/run").st_mode & 07777, 0755u);
    EXPECT_EQ(look(path + "/sub").st_mode & 07777, 0555u);
    EXPECT_EQ(look(path + "/sub").st_mtime, 1'500'000'000);
    EXPECT_EQ(look(path + "/empty").st_mode & 07777, 0700u);
    EXPECT_EQ(read_file(path + "/sub/none"), "");
    EXPECT_EQ(read_file(path + "/sub/" + std::string(180, 'n')), "long");
    EXPECT_EQ(read_file(path + "/sub/-odd \xff'\"\n$HOME"), "odd");
    EXPECT_EQ(std::filesystem::read_symlink(path + "/link"), "sub/run");
    EXPECT_EQ(std::filesystem::read_symlink(path + "/dangling"), "/nonexistent/" + std::string(150, 'x'));
  }
  static struct stat look(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    return status;
  }
  static Names in(const std::string& path) { return list_directory(open_directory(path).get()); }

  CopySummary to(const std::string& from, const std::string& target, const CopyProgress& progress = {}) {
    auto session = Session::connect(server_->address(), soon());
    return copy_to_guest(session, from, target, progress, soon());
  }
  CopySummary from(const std::string& source, const std::string& target, const CopyProgress& progress = {}) {
    auto session = Session::connect(server_->address(), soon());
    return copy_from_guest(session, source, target, progress, soon());
  }
  // From now on the guest's tar is this.
  void replace_tar(const std::string& script) {
    put(server_->folder().path("tar"), "#!/bin/sh\n" + script + "\n", 0755);
  }

  TestFolder files_;
  std::optional<TestServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Servers, CopyTest, testing::Values(ServerKind::kOpenSsh, ServerKind::kDropbear),
                         [](const auto& kind) {
                           return kind.param == ServerKind::kOpenSsh ? "OpenSsh" : "Dropbear";
                         });

TEST_P(CopyTest, PutsAFileWhereItIsAsked) {
  put(host("f"), "text", 04751);
  to(host("f"), guest("new"));
  EXPECT_EQ(read_file(guest("new")), "text");
  EXPECT_EQ(look(guest("new")).st_mode & 07777, 04751u);
  EXPECT_EQ(look(guest("new")).st_mtime, 1'600'000'000);
  to(host("f"), guest());
  EXPECT_EQ(read_file(guest("f")), "text");
  put(host("f"), "other");
  to(host("f"), guest("new"));
  EXPECT_EQ(read_file(guest("new")), "other");
  std::filesystem::create_symlink("new", guest("way"));
  put(host("f"), "through");
  to(host("f"), guest("way"));
  EXPECT_EQ(read_file(guest("new")), "through");
  EXPECT_TRUE(S_ISLNK(look(guest("way")).st_mode));
  EXPECT_EQ(code_thrown_by([&] { to(host("f"), guest("absent/f")); }), Code::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { to(host("f"), guest("absent/")); }), Code::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { to(host("absent"), guest()); }), Code::kNotFound);
  EXPECT_EQ(in(guest()), (Names{"f", "new", "way"}));
}

TEST_P(CopyTest, GetsAFileToWhereItIsAsked) {
  put(guest("f"), "text", 04751);
  from(guest("f"), host("new"));
  EXPECT_EQ(read_file(host("new")), "text");
  EXPECT_EQ(look(host("new")).st_mode & 07777, 0751u) << "and no set-user-id bit from a guest";
  EXPECT_EQ(look(host("new")).st_mtime, 1'600'000'000);
  from(guest("f"), host());
  EXPECT_EQ(read_file(host("f")), "text");
  put(guest("f"), "through");
  std::filesystem::create_symlink("new", host("way"));
  from(guest("f"), host("way"));
  EXPECT_EQ(read_file(host("new")), "through");
  EXPECT_TRUE(S_ISLNK(look(host("way")).st_mode));
  EXPECT_EQ(code_thrown_by([&] { from(guest("f"), host("absent/f")); }), Code::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { from(guest("f"), host("absent/")); }), Code::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { from(guest("absent"), host()); }), Code::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { from(guest("f") + "/", host()); }), Code::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { from(guest("") + "..", host()); }), Code::kInvalidArgument);
  EXPECT_EQ(in(host()), (Names{"f", "new", "way"}));
}

TEST_P(CopyTest, PutsWholeFolders) {
  put_tree(host("tree"));
  to(host("tree"), guest("new"));
  expect_tree(guest("new"));
  to(host("tree"), guest());
  expect_tree(guest("tree"));
  to(host("tree/."), guest("contents"));
  expect_tree(guest("contents"));
  to(host("tree") + "/", guest("slash/"));
  expect_tree(guest("slash"));
  put(guest("contents/file"), "changed");
  to(host("tree/."), guest("contents"));
  set_times(guest("contents/sub"));  // What is put into a folder that is there changes its time.
  expect_tree(guest("contents"));
  put(guest("file"), "");
  EXPECT_EQ(code_thrown_by([&] { to(host("tree"), guest("file")); }), Code::kAlreadyExists);
}

TEST_P(CopyTest, GetsWholeFolders) {
  put_tree(guest("tree"));
  from(guest("tree"), host("new"));
  expect_tree(host("new"));
  from(guest("tree") + "/", host());
  expect_tree(host("tree"));
  from(guest("tree/."), host("contents"));
  expect_tree(host("contents"));
  put(host("contents/file"), "changed");
  from(guest("tree/."), host("contents"));
  EXPECT_EQ(read_file(host("contents/file")), "text");
  put(host("file"), "");
  EXPECT_EQ(code_thrown_by([&] { from(guest("tree"), host("file")); }), Code::kAlreadyExists);
  EXPECT_EQ(code_thrown_by([&] { from(guest("tree/."), host("file")); }), Code::kAlreadyExists);
}

TEST_P(CopyTest, KeepsLinksUnlessASlashFollows) {
  put_tree(guest("tree"));
  std::filesystem::create_symlink("tree", guest("link"));
  from(guest("link"), host("kept"));
  EXPECT_EQ(std::filesystem::read_symlink(host("kept")), "tree");
  from(guest("link/"), host("followed"));
  expect_tree(host("followed"));
  put_tree(host("tree"));
  std::filesystem::create_symlink("tree", host("link"));
  to(host("link"), guest("kept"));
  EXPECT_EQ(std::filesystem::read_symlink(guest("kept")), "tree");
  to(host("link/"), guest("followed"));
  expect_tree(guest("followed"));
}

// As /bin, /tmp and /root are there in every guest.
TEST_P(CopyTest, LeavesFoldersAndLinksToThemAsTheyAre) {
  make_directories(host("src/bin"), 0700);
  make_directories(host("src/tmp/new"), 0750);
  put(host("src/bin/tool"), "tool");
  put(host("src/tmp/new/f"), "f");
  std::filesystem::create_symlink("usr/bin", host("src/same"));
  make_directories(guest("usr/bin"));
  make_directories(guest("tmp"));
  for (const char* name : {"bin", "same"}) std::filesystem::create_symlink("usr/bin", guest(name));
  ASSERT_EQ(::chmod(guest("tmp").c_str(), 01777), 0);
  ASSERT_EQ(::chown(guest("tmp").c_str(), 7, 8), 0);
  to(host("src/."), guest());
  for (const char* name : {"bin", "tmp", "same"}) to(host("src/") + name, guest());
  EXPECT_EQ(read_file(guest("usr/bin/tool")), "tool");
  EXPECT_EQ(look(guest("tmp")).st_mode & 07777, 01777u);
  EXPECT_EQ(look(guest("tmp")).st_uid, 7u);
  EXPECT_EQ(look(guest("tmp")).st_gid, 8u);
  EXPECT_EQ(look(guest("tmp/new")).st_mode & 07777, 0750u);
  EXPECT_TRUE(S_ISLNK(look(guest("bin")).st_mode));
  // And so does the way back.
  for (const char* name : {"bin", "tmp"}) make_directories(host(name), 0700);
  from(guest("tmp"), host());
  from(guest("usr/bin"), host());
  EXPECT_EQ(look(host("tmp")).st_mode & 07777, 0700u);
  EXPECT_EQ(read_file(host("bin/tool")), "tool");
}

TEST_P(CopyTest, ReplacesNothingButFiles) {
  make_directories(host("deep/a/b"));
  make_directories(guest("deep/a/b"));
  put(host("deep/a/b/x"), "new");
  put(host("deep/a/b/-odd \xff'\"\n$HOME"), "new");
  put(host("f"), "new");
  std::filesystem::create_symlink("elsewhere", host("link"));
  auto session = Session::connect(server_->address(), soon());
  const auto refuse = [&](const std::string& source, const std::string& target) {
    try {
      copy_to_guest(session, host(source), guest(target), {}, soon());
      ADD_FAILURE() << target;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kAlreadyExists) << error.what();
      EXPECT_FALSE(error.hint().empty());
    }
  };
  const std::vector<std::function<void(const std::string&)>> kinds{
      [](const std::string& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); },
      [](const std::string& path) { ASSERT_EQ(::mknod(path.c_str(), S_IFSOCK | 0600, 0), 0); },
      [](const std::string& path) { ASSERT_EQ(::mkdir(path.c_str(), 0700), 0); },
      [](const std::string& path) { std::filesystem::create_symlink("/dev/null", path); },
      [](const std::string& path) { std::filesystem::create_symlink("/", path); }};
  for (const auto& make : kinds) {
    for (const char* name : {"deep/a/b/x", "deep/a/b/-odd \xff'\"\n$HOME"}) {
      make(guest(name));
      const auto before = look(guest(name));
      refuse("deep", "");
      refuse("deep/.", "deep");
      EXPECT_EQ(look(guest(name)).st_ino, before.st_ino);
      EXPECT_EQ(look(guest(name)).st_mode, before.st_mode);
      EXPECT_EQ(in(guest("deep/a/b")).size(), 1u) << "and nothing beside it was made";
      remove_tree(AT_FDCWD, guest(name));
    }
    make(guest("there"));
    if (!std::filesystem::is_directory(guest("there"))) {
      refuse("f", "there");
      refuse("link", "there");
      refuse("deep", "there");
    }
    make(guest("f"));
    refuse("f", "");
    for (const char* name : {"there", "f"}) remove_tree(AT_FDCWD, guest(name));
  }
  put(guest("deep/a/b/x"), "old");
  to(host("deep"), guest());
  EXPECT_EQ(read_file(guest("deep/a/b/x")), "new");
}

TEST_P(CopyTest, ReplacesNothingButFilesOnThisHost) {
  put(guest("f"), "new");
  make_directories(guest("d"));
  ASSERT_EQ(::mkfifo(host("pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", host("to_pipe"));
  std::filesystem::create_symlink("/dev/null", host("to_null"));
  const auto null = look("/dev/null");
  auto session = Session::connect(server_->address(), soon());
  for (const std::string& path : {host("pipe"), host("to_pipe"), host("to_null"), std::string("/dev/null")})
    for (const char* source : {"f", "d/."})
      EXPECT_EQ(code_thrown_by([&] { copy_from_guest(session, guest(source), path, {}, soon()); }),
                Code::kAlreadyExists)
          << path;
  EXPECT_EQ(look("/dev/null").st_ino, null.st_ino);
  EXPECT_EQ(in(host()), (Names{"pipe", "to_null", "to_pipe"}));
}

TEST_P(CopyTest, FollowsNobodyElsesLinkInASharedFolder) {
  put(guest("f"), "new");
  put(host("mine"), "mine");
  make_directories(host("shared"));
  make_directories(host("folder"));
  ASSERT_EQ(::chmod(host("shared").c_str(), 01777), 0);
  const auto link = [&](const std::string& to, const char* name, uid_t owner) {
    std::filesystem::create_symlink(to, host(name));
    ASSERT_EQ(::lchown(host(name).c_str(), owner, owner), 0);
  };
  link("../mine", "shared/file", 12345);
  link("../folder", "shared/folder", 12345);
  link("file", "shared/twice", 0);
  link("../mine", "shared/own", 0);
  link("mine", "elsewhere", 12345);
  for (const char* name : {"shared/file", "shared/folder", "shared/folder/", "shared/twice"})
    EXPECT_EQ(code_thrown_by([&] { from(guest("f"), host(name)); }), Code::kPermission) << name;
  EXPECT_EQ(read_file(host("mine")), "mine");
  EXPECT_TRUE(in(host("folder")).empty());
  from(guest("f"), host("shared/own"));
  EXPECT_EQ(read_file(host("mine")), "new");
  put(guest("f"), "newer");
  from(guest("f"), host("elsewhere"));
  EXPECT_EQ(read_file(host("mine")), "newer");
}

TEST_P(CopyTest, TakesNoLinkForAFile) {
  put(guest("f"), "x");
  replace_tar("cd " + guest() + " && ln -sf /etc/passwd f && busybox tar -c -f - ./f");
  EXPECT_EQ(code_thrown_by([&] { from(guest("f"), host("f")); }), Code::kCorrupt);
  EXPECT_TRUE(in(host()).empty());
}

TEST_P(CopyTest, TakesNamesThatLookLikeOptionsOrShell) {
  const std::string name = "-C $(id) 'x\"";
  put(host(name), "1");
  to(host(name), guest());
  from(guest(name), host("back"));
  EXPECT_EQ(read_file(host("back")), "1");
  // Relative to the login folder, which is a new one for each connection.
  auto session = Session::connect(server_->address(), soon());
  copy_to_guest(session, host(name), "-rel", {}, soon());
  copy_from_guest(session, "-rel", host("rel"), {}, soon());
  EXPECT_EQ(read_file(host("rel")), "1");
}

TEST_P(CopyTest, TellsItsProgress) {
  std::string big(5 << 20, 'x');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 31 + (i >> 10));
  make_directories(host("d"));
  put(host("d/big"), big);
  put(host("d/small"), "12345");
  uint64_t last = 0;
  uint64_t total = 0;
  const CopyProgress note = [&](uint64_t done, uint64_t all) {
    EXPECT_GE(done, last);
    last = done;
    total = all;
  };
  const auto summary = to(host("d"), guest(), note);
  EXPECT_EQ(summary.bytes, big.size() + 5);
  EXPECT_EQ(summary.files, 3u);
  EXPECT_EQ(last, big.size() + 5);
  EXPECT_EQ(total, big.size() + 5);
  last = 0;
  from(guest("d/big"), host("back"), note);
  EXPECT_TRUE(read_file(host("back"), 8 << 20) == big);
  EXPECT_EQ(last, big.size());
  EXPECT_EQ(total, big.size());
}

TEST_P(CopyTest, PassesOverPipesAndSaysSo) {
  make_directories(guest("d"));
  ASSERT_EQ(::mkfifo(guest("d/pipe").c_str(), 0600), 0);
  put(guest("d/f"), "x");
  EXPECT_EQ(from(guest("d"), host()).skipped, Names{"./d/pipe"});
  EXPECT_EQ(in(host("d")), Names{"f"});
  EXPECT_EQ(code_thrown_by([&] { from(guest("d/pipe"), host()); }), Code::kUnsupported);
  make_directories(host("e"));
  ASSERT_EQ(::mkfifo(host("e/pipe").c_str(), 0600), 0);
  EXPECT_EQ(to(host("e"), guest()).skipped, Names{"e/pipe"});
  EXPECT_EQ(code_thrown_by([&] { to(host("e/pipe"), guest()); }), Code::kUnsupported);
}

// As a shell's <(command) is one: it would arrive as a link to nothing, without a word.
TEST_P(CopyTest, RefusesALinkToAPipe) {
  const Pipe pipe = make_pipe();
  const std::string path = fmt::format("/proc/self/fd/{}", pipe.read_end.get());
  auto session = Session::connect(server_->address(), soon());
  try {
    copy_to_guest(session, path, guest("f"), {}, soon());
    ADD_FAILURE() << "it was copied";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported) << error.what();
    EXPECT_NE(error.hint().find("tee FILE <'" + path + "'"), std::string::npos) << error.hint();
  }
  EXPECT_TRUE(in(guest()).empty());
  std::filesystem::create_symlink("/nonexistent", host("dangling"));
  to(host("dangling"), guest());
  EXPECT_EQ(in(guest()), Names{"dangling"});
}

TEST_P(CopyTest, TakesNoFileOfTheKernelForAnEmptyOne) {
  auto session = Session::connect(server_->address(), soon());
  try {
    copy_from_guest(session, "/proc/meminfo", host(), {}, soon());
    ADD_FAILURE() << "it was copied";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported) << error.what();
    EXPECT_NE(error.hint().find("-- cat '/proc/meminfo'"), std::string::npos) << error.hint();
  }
  EXPECT_TRUE(in(host()).empty());
  put(guest("empty"), "");
  from(guest("empty"), host());
  EXPECT_EQ(read_file(host("empty")), "");
}

TEST_P(CopyTest, SaysWhatTarSaid) {
  replace_tar("echo 'disk is full' >&2; exit 2");
  put(host("f"), std::string(4 << 20, 'x'));
  put(guest("g"), "x");
  for (const auto& copy : {std::function<void()>([&] { to(host("f"), guest("f")); }),
                           std::function<void()>([&] { from(guest("g"), host("g")); })}) {
    try {
      copy();
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kIo);
      EXPECT_NE(error.message().find("exit status 2: disk is full"), std::string::npos) << error.what();
    }
  }
  replace_tar("exit 127");
  EXPECT_EQ(code_thrown_by([&] { to(host("f"), guest("f")); }), Code::kUnsupported);
  EXPECT_EQ(in(host()), Names{"f"});
}

TEST_P(CopyTest, KeepsAHostileGuestInsideTheTarget) {
  put(guest("f"), "x");
  put(host("mine"), "mine");
  // An archive that holds what was asked for, and then a file beside it.
  replace_tar("cd " + guest() +
              " && mkdir -p evil && echo evil >evil/mine && busybox tar -c -f - ./f evil/mine");
  make_directories(host("target"));
  EXPECT_EQ(code_thrown_by([&] { from(guest("f"), host("target")); }), Code::kCorrupt);
  EXPECT_EQ(in(host("target")), Names{"f"});
  EXPECT_EQ(read_file(host("mine")), "mine");
  EXPECT_EQ(in(host()), (Names{"mine", "target"}));
  // One that never ends behind its end.
  replace_tar("cd " + guest() + " && busybox tar -c -f - ./f; exec cat /dev/zero");
  EXPECT_EQ(code_thrown_by([&] { from(guest("f"), host("target")); }), Code::kIo);
  // One that never comes.
  replace_tar("exec sleep 100");
  auto session = Session::connect(server_->address(), soon());
  EXPECT_EQ(
      code_thrown_by([&] { copy_from_guest(session, guest("f"), host("target"), {}, Deadline::after(1s)); }),
      Code::kTimeout);
}

TEST_P(CopyTest, LeavesNoHalfFileWhenTheGuestDies) {
  put(guest("f"), "x");
  put(host("f"), "before");
  replace_tar("cd " + guest() +
              " && head -c 3000000 /dev/zero >f && busybox tar -c -f - ./f | head -c 1000000; kill -9 $PPID");
  const auto code = code_thrown_by([&] { from(guest("f"), host("f")); });
  EXPECT_TRUE(code == Code::kIo || code == Code::kCorrupt);
  EXPECT_EQ(in(host()), Names{"f"});
  EXPECT_EQ(read_file(host("f")), "before");
}

// --- renew ---

TEST_P(CopyTest, RenewsThroughTheHelper) {
  const auto helper = server_->folder().path("lib/knaller");
  const auto renewal = [&](const std::string& script) {
    make_directories(helper, 0755);
    put(helper + "/guest", "#!/bin/sh\n" + script + "\n", 0755);
    auto session = Session::connect(server_->address(), soon());
    return renew(run_by_ssh(session, soon()), {.entropy = std::string(64, '\x01'), .hostname = "web2"});
  };
  {
    auto session = Session::connect(server_->address(), soon());
    const auto absent = renew(run_by_ssh(session, soon()), {.entropy = "", .hostname = "web2"});
    EXPECT_FALSE(absent.ok);
    EXPECT_EQ(absent.reason, "the guest has no /usr/lib/knaller/guest");
  }
  EXPECT_TRUE(
      renewal("read -r line; echo \"$1 $line\" >" + guest("asked") + "; echo '{\"v\":1,\"ok\":true}'").ok);
  const std::string asked = read_file(guest("asked"));
  EXPECT_TRUE(asked.starts_with("renew {\"entropy\":\"AQEB")) << asked;
  EXPECT_NE(asked.find("\"hostname\":\"web2\""), std::string::npos) << asked;
  EXPECT_NE(asked.find("\"time_ns\":1"), std::string::npos) << asked;
  EXPECT_NE(asked.find("\"v\":1"), std::string::npos) << asked;
  const auto failed =
      renewal("echo '{\"v\":1,\"ok\":false,\"error\":\"no clock\",\"failed\":[\"time\"]}'; exit 1");
  EXPECT_FALSE(failed.ok);
  EXPECT_EQ(failed.reason, "no clock");
  EXPECT_EQ(failed.failed, Names{"time"});
  EXPECT_EQ(renewal("echo broken >&2; exit 3").reason, "exit status 3: broken");
}

}  // namespace
}  // namespace knaller::guest
