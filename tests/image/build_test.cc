// Building and importing images: what is in them, and that a failure at any step leaves nothing.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "base/error.h"
#include "base/process.h"
#include "disk/ext4.h"
#include "image/initramfs.h"
#include "image/kernel.h"
#include "image/package.h"
#include "shared_home.h"
#include "store/sweep.h"

namespace knaller::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Tiny, IsWholeAndReadOnly) {
  const Image& tiny = SharedHome::shared().tiny();
  EXPECT_EQ(tiny.info.source, "tiny");
  EXPECT_TRUE(tiny.info.has_base);
  EXPECT_EQ(tiny.info.guest_protocol, kGuestProtocol);
  EXPECT_EQ(tiny.default_disk_mib, kDefaultDiskMib);
  EXPECT_THAT(tiny.info.kernel_version, HasSubstr("cloud-amd64"));
  EXPECT_LT(tiny.info.allocated_bytes, 100U << 20);
  for (const std::string& path :
       {tiny.kernel, tiny.initramfs, tiny.base, tiny.info.directory + "/image.json"}) {
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0) << path;
    EXPECT_EQ(info.st_mode & 07777, 0400U) << path;
    EXPECT_EQ(info.st_uid, ::geteuid());
  }
  const UniqueFd folder = open_directory(tiny.info.directory);
  EXPECT_THAT(list_directory(folder.get()),
              ElementsAre("base.ext4", "disk.ext4", "image.json", "initramfs", "vmlinux"));
  EXPECT_THAT(inspect_json(SharedHome::shared().home(), "tiny"), HasSubstr("busybox-static"));
}

// Whoever builds it, the guest's files are root's.
TEST(Tiny, HasTheRightOwnersAndModes) {
  const std::string& base = SharedHome::shared().tiny().base;
  SpawnOptions options;
  options.argv = {disk::require_program("e2fsck", "e2fsprogs"), "-fn", base};
  run_checked(std::move(options), Deadline::never());
  const std::vector<std::pair<std::string, std::string>> modes = {
      {"/", "0755"},           {"/usr/bin/busybox", "0755"},
      {"/etc/shadow", "0640"}, {"/tmp", "01777"},
      {"/root", "0700"},       {"/usr/lib/knaller/guest", "0755"},
      {"/etc/passwd", "0644"}, {"/etc/init.d/rcS", "0755"},
      {"/dev/console", "0600"}};
  for (const auto& [path, mode] : modes) {
    const std::string status = debugfs(base, "stat " + path);
    EXPECT_THAT(status, HasSubstr("User:     0   Group:     0")) << path;
    EXPECT_THAT(status, HasSubstr("Mode:  " + mode)) << path;
  }
  EXPECT_THAT(debugfs(base, "stat /dev/null"), HasSubstr("Type: character special"));
  EXPECT_THAT(debugfs(base, "stat /usr/sbin/init"), HasSubstr("/usr/lib/knaller/guest"));
  EXPECT_THAT(debugfs(base, "cat /etc/shadow"), HasSubstr("root:*:"));
  // Every VM makes its own.
  EXPECT_THAT(debugfs(base, "ls /etc/dropbear"), Not(HasSubstr("host_key")));
}

TEST(Build, StoppedAnywhereLeavesNothing) {
  const SharedHome& shared = SharedHome::shared();
  int events = 0;
  for (int stop_at = 1; stop_at <= 400; stop_at = stop_at < 8 ? stop_at + 1 : stop_at * 2) {
    std::stop_source stop;
    BuildOptions options = shared.options("stopped");
    events = 0;
    options.sink = [&](const Event&) {
      if (++events == stop_at) stop.request_stop();
    };
    const auto code =
        code_thrown_by([&] { build(shared.home(), options, Deadline::never(stop.get_token())); });
    EXPECT_THAT(all_entries(shared.home()), Not(::testing::Contains(HasSubstr(".new-")))) << stop_at;
    if (!code) {
      EXPECT_LT(events, stop_at);  // it was done before
      remove(shared.home(), "stopped", Deadline::never());
      return;
    }
    EXPECT_EQ(code, Code::kCancelled);
    EXPECT_FALSE(shared.home().has(store::Kind::kImage, "stopped"));
  }
}

// A process that is killed can undo nothing: the next command does.
TEST(Build, KilledIsSweptByTheNextCommand) {
  const SharedHome& shared = SharedHome::shared();
  for (const char* step :
       {"download the package lists", "take the kernel out of its package", "write the root file system"}) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      BuildOptions options = shared.options("killed");
      options.sink = [&](const Event& event) {
        if (event.kind == EventKind::kStep && event.text == step) ::kill(::getpid(), SIGKILL);
      };
      try {
        build(shared.home(), options, Deadline::never());
      } catch (const Error&) {
      }
      ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status)) << step;
    EXPECT_THAT(all_entries(shared.home()), ::testing::Contains(".new-killed")) << step;
    store::sweep(shared.home());
    EXPECT_THAT(all_entries(shared.home()), ElementsAre("tiny")) << step;
  }
}

TEST(Build, ReplacesInOneStepAndOnlyWhenItWorked) {
  const SharedHome& shared = SharedHome::shared();
  build(shared.home(), shared.options("again"), Deadline::never());
  const auto before = load(shared.home(), "again").info.created_at;
  EXPECT_EQ(code_thrown_by([&] { build(shared.home(), shared.options("again"), Deadline::never()); }),
            Code::kAlreadyExists);
  BuildOptions options = shared.options("again");
  options.replace = true;
  std::stop_source stop;
  options.sink = [&](const Event& event) {
    if (event.text == "write the root file system") stop.request_stop();
  };
  EXPECT_EQ(code_thrown_by([&] { build(shared.home(), options, Deadline::never(stop.get_token())); }),
            Code::kCancelled);
  EXPECT_EQ(load(shared.home(), "again").info.created_at, before);
  options.sink = {};
  build(shared.home(), options, Deadline::never());
  EXPECT_GT(load(shared.home(), "again").info.created_at, before);
  EXPECT_THAT(all_entries(shared.home()), ElementsAre("again", "tiny"));
  remove(shared.home(), "again", Deadline::never());
  EXPECT_THAT(all_entries(shared.home()), ElementsAre("tiny"));
  EXPECT_EQ(code_thrown_by([&] { remove(shared.home(), "again", Deadline::never()); }), Code::kNotFound);
}

TEST(Build, WaitsForAnotherOneAndSaysSo) {
  const SharedHome& shared = SharedHome::shared();
  const store::EntryLock lock =
      shared.home().lock(store::Kind::kImage, "held", "image build", Deadline::never());
  BuildOptions options = shared.options("held");
  std::string note;
  options.sink = [&](const Event& event) {
    if (event.kind == EventKind::kNote) note = event.text;
  };
  EXPECT_EQ(
      code_thrown_by([&] { build(shared.home(), options, Deadline::after(std::chrono::milliseconds(50))); }),
      Code::kBusy);
  EXPECT_THAT(note, HasSubstr("image build"));
}

// The steps of a build that fetch packages.
std::vector<std::string> downloads_of(const SharedHome& shared, const std::string& name) {
  std::vector<std::string> steps;
  BuildOptions options = shared.options(name);
  options.sink = [&](const Event& event) {
    if (event.kind == EventKind::kStep && event.text.starts_with("download ") &&
        event.text != "download the package lists")
      steps.push_back(event.text);
  };
  build(shared.home(), options, Deadline::never());
  remove(shared.home(), name, Deadline::never());
  return steps;
}

std::map<std::string, ino_t> inodes_in(const std::string& path) {
  std::map<std::string, ino_t> inodes;
  const UniqueFd folder = open_directory(path);
  for (const std::string& name : list_directory(folder.get()))
    inodes[name] = stat_if_exists(folder.get(), name)->st_ino;
  return inodes;
}

TEST(Downloads, ASecondBuildFetchesNothing) {
  const SharedHome& shared = SharedHome::shared();
  const std::string cache = shared.options("second").cache_folder;
  downloads_of(shared, "second");  // so that the lists are those of a moment ago
  const auto lists = inodes_in(cache + "/lists");
  const auto packages = inodes_in(cache + "/debs");
  EXPECT_THAT(downloads_of(shared, "third"), IsEmpty());
  EXPECT_EQ(inodes_in(cache + "/lists"), lists);
  EXPECT_EQ(inodes_in(cache + "/debs"), packages);
}

TEST(Downloads, APackageThatIsDamagedOrCutOffIsFetchedAgain) {
  const SharedHome& shared = SharedHome::shared();
  const std::string debs = shared.options("").cache_folder + "/debs";
  const auto packages = inodes_in(debs);
  ASSERT_GE(packages.size(), 2U);
  const std::string first = debs + "/" + packages.begin()->first;
  const std::string second = debs + "/" + std::next(packages.begin())->first;
  std::string bytes = read_file(first, 1 << 30);
  bytes[bytes.size() / 2] ^= 1;
  write_file_atomically(AT_FDCWD, first, bytes, Durability::kNoSync);
  ASSERT_EQ(::truncate(second.c_str(), 100), 0);
  EXPECT_THAT(downloads_of(shared, "damaged"), Not(IsEmpty()));
  EXPECT_THAT(downloads_of(shared, "mended"), IsEmpty());
}

TEST(Downloads, ListsOfAnInterruptedUpdateAreNotUsed) {
  const SharedHome& shared = SharedHome::shared();
  const std::string cache = shared.options("").cache_folder;
  BuildOptions options = shared.options("interrupted");
  std::stop_source stop;
  options.sink = [&](const Event& event) {
    if (event.text == "download the package lists") stop.request_stop();
  };
  EXPECT_EQ(code_thrown_by([&] { build(shared.home(), options, Deadline::never(stop.get_token())); }),
            Code::kCancelled);
  // As a host's crash leaves files that were never written out.
  const auto lists = inodes_in(cache + "/lists");
  for (const auto& [name, inode] : lists) {
    if (name.find("Packages") == std::string::npos) continue;
    ASSERT_EQ(::truncate(fmt::format("{}/lists/{}", cache, name).c_str(), 0), 0);
  }
  downloads_of(shared, "afterwards");
}

TEST(Downloads, WhatNoBuildUsesAnyMoreIsSwept) {
  const SharedHome& shared = SharedHome::shared();
  const std::string cache = shared.options("").cache_folder;
  const auto packages = inodes_in(cache + "/debs");
  const std::string old = cache + "/debs/old_1_all.deb";
  write_file_atomically(AT_FDCWD, old, "old", Durability::kNoSync);
  const timespec then[2] = {{.tv_sec = 1'000'000'000, .tv_nsec = 0}, {.tv_sec = 1'000'000'000, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, old.c_str(), then, 0), 0);
  EXPECT_THAT(downloads_of(shared, "sweeping"), IsEmpty());
  EXPECT_EQ(inodes_in(cache + "/debs"), packages);
}

TEST(Build, RefusesNonsenseBeforeAnything) {
  const SharedHome& shared = SharedHome::shared();
  BuildOptions options = shared.options("x");
  EXPECT_EQ(code_thrown_by([] { build_kind_from_text("windows"); }), Code::kInvalidArgument);
  for (const std::string name : {"../x", "a/b", ".", "A", "a b", "-x"})
    EXPECT_EQ(code_thrown_by([&] { build(shared.home(), shared.options(name), Deadline::never()); }),
              Code::kInvalidArgument)
        << name;
  options = shared.options("x");
  options.guest_helper = "/absent";
  EXPECT_EQ(code_thrown_by([&] { build(shared.home(), options, Deadline::never()); }), Code::kNotFound);
  options = shared.options("x");
  options.packages = {"--option"};
  EXPECT_EQ(code_thrown_by([&] { build(shared.home(), options, Deadline::never()); }),
            Code::kInvalidArgument);
  options.packages = {"no-such-package-anywhere"};
  EXPECT_THAT(message_thrown_by([&] { build(shared.home(), options, Deadline::never()); }),
              HasSubstr("no-such-package-anywhere"));
  EXPECT_THAT(all_entries(shared.home()), ElementsAre("tiny"));
}

TEST(Build, TakesPackagesInAddition) {
  const SharedHome& shared = SharedHome::shared();
  BuildOptions options = shared.options("more");
  options.packages = {"jq"};
  const Image image = build(shared.home(), options, Deadline::never());
  EXPECT_THAT(debugfs(image.base, "stat /usr/bin/jq"), HasSubstr("Mode:  0755"));
  EXPECT_THAT(debugfs(image.base, "ls /usr/lib/x86_64-linux-gnu"), HasSubstr("libjq.so.1"));
  remove(shared.home(), "more", Deadline::never());
}

// A file system of 60 MiB that only this process sees, as root or not.
bool enter_small_file_system(const std::string& path) {
  const auto ids = fmt::format("{0} {0} 1", ::geteuid());
  const auto groups = fmt::format("{0} {0} 1", ::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  for (const auto& [file, text] :
       {std::pair<std::string, std::string>{"setgroups", "deny"}, {"uid_map", ids}, {"gid_map", groups}}) {
    const UniqueFd map = open_at(AT_FDCWD, "/proc/self/" + file, O_WRONLY);
    write_all(map.get(), text, file);
  }
  return ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=60m,mode=0700") == 0;
}

TEST(Build, SaysThatTheDiskIsFull) {
  const SharedHome& shared = SharedHome::shared();
  const TestFolder folder;
  const pid_t pid = ::fork();
  if (pid == 0) {
    int result = 1;
    if (enter_small_file_system(folder.path())) {
      const store::Home home = store::Home::open(folder.path());
      const std::string message =
          message_thrown_by([&] { build(home, shared.options("full"), Deadline::never()); });
      const bool said = message.find("No space left on device") != std::string::npos;
      if (!said) std::fprintf(stderr, "%s\n", message.c_str());
      result = said && all_entries(home).empty() ? 0 : 2;
    }
    ::_exit(result);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

class Import : public ::testing::Test {
 protected:
  ImportOptions options() const {
    const Image& tiny = SharedHome::shared().tiny();
    return {.name = "mine", .kernel = tiny.kernel, .rootfs = tiny.base, .initramfs = tiny.initramfs};
  }
  const store::Home& home_ = SharedHome::shared().home();
  TestFolder folder_;
};

TEST_F(Import, CopiesWhatItIsGiven) {
  const Image image = import(home_, options(), Deadline::never());
  EXPECT_FALSE(image.info.has_base);
  EXPECT_EQ(image.info.source, "imported");
  EXPECT_EQ(image.info.kernel_version, SharedHome::shared().tiny().info.kernel_version);
  EXPECT_TRUE(read_file(image.rootfs, 1 << 30) == read_file(SharedHome::shared().tiny().base, 1 << 30));
  EXPECT_LT(image.info.allocated_bytes, SharedHome::shared().tiny().info.allocated_bytes + (4 << 20));
  EXPECT_EQ(list(home_).size(), 2U);
  EXPECT_EQ(code_thrown_by([&] { import(home_, options(), Deadline::never()); }), Code::kAlreadyExists);
  remove(home_, "mine", Deadline::never());

  ImportOptions without = options();
  without.initramfs.clear();
  EXPECT_EQ(import(home_, without, Deadline::never()).initramfs, "");
  remove(home_, "mine", Deadline::never());
}

TEST_F(Import, RefusesWhatCannotBoot) {
  write_file_atomically(folder_.fd(), "text", "hello\n", Durability::kNoSync);
  ASSERT_EQ(::mkfifo(folder_.path("fifo").c_str(), 0600), 0);
  for (const std::string& path : std::vector<std::string>{folder_.path("text"), folder_.path("fifo"),
                                                          folder_.path(), std::string("/dev/null")}) {
    for (std::string ImportOptions::*field : {&ImportOptions::kernel, &ImportOptions::rootfs}) {
      ImportOptions bad = options();
      bad.*field = path;
      EXPECT_EQ(code_thrown_by([&] { import(home_, bad, Deadline::never()); }), Code::kInvalidArgument)
          << path;
    }
  }
  ImportOptions absent = options();
  absent.rootfs = folder_.path("absent");
  EXPECT_EQ(code_thrown_by([&] { import(home_, absent, Deadline::never()); }), Code::kNotFound);
  absent.rootfs.clear();
  EXPECT_EQ(code_thrown_by([&] { import(home_, absent, Deadline::never()); }), Code::kInvalidArgument);
  EXPECT_THAT(all_entries(home_), ElementsAre("tiny"));
}

TEST_F(Import, TakesTheVmlinuxOutOfDebiansOwnKernel) {
  // The package is among the downloads; its bzImage is what users have in /boot.
  const std::string packages = SharedHome::shared().folder().path("packages/debs");
  const UniqueFd folder = open_directory(packages);
  FileTree tree(folder_.fd());
  for (const std::string& name : list_directory(folder.get()))
    if (name.starts_with("linux-image-"))
      unpack_package(
          fmt::format("{}/{}", packages, name), tree,
          [](const std::string& path) { return path.starts_with("boot") ? path : ""; }, Deadline::never());
  for (const auto& [path, entry] : tree.entries())
    if (path.starts_with("boot/vmlinuz"))
      write_file_atomically(folder_.fd(), "vmlinuz", tree.content(entry), Durability::kNoSync);
  ImportOptions bzimage = options();
  bzimage.kernel = folder_.path("vmlinuz");
  const Image image = import(home_, bzimage, Deadline::never());
  EXPECT_TRUE(read_file(image.kernel, 1 << 30) == read_file(SharedHome::shared().tiny().kernel, 1 << 30));
  remove(home_, "mine", Deadline::never());
}

TEST_F(Import, DamageIsFoundWhenItIsLoaded) {
  import(home_, options(), Deadline::never());
  const std::string directory = home_.path_of(store::Kind::kImage, "mine");
  ASSERT_EQ(::chmod((directory + "/rootfs.ext4").c_str(), 0600), 0);
  ASSERT_EQ(::truncate((directory + "/rootfs.ext4").c_str(), 1 << 20), 0);
  EXPECT_EQ(code_thrown_by([&] { load(home_, "mine"); }), Code::kCorrupt);
  for (const Image& image : list(home_)) EXPECT_EQ(image.info.broken.empty(), image.info.name == "tiny");
  ASSERT_EQ(::unlink((directory + "/image.json").c_str()), 0);
  EXPECT_EQ(code_thrown_by([&] { load(home_, "mine"); }), Code::kCorrupt);
  remove(home_, "mine", Deadline::never());
  EXPECT_THAT(message_thrown_by([&] { load(home_, "debian"); }), HasSubstr("knaller image build debian"));
}

}  // namespace
}  // namespace knaller::image
