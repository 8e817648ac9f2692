#include "memory/guest_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/all_processes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "memory/test_memory.h"

namespace knaller::memory {
namespace {

constexpr uint64_t kSize = 64 * kPage;

TEST(Mappings, ReadsWhatTheKernelWrites) {
  const auto mappings = parse_mappings(
      "7f2a40000000-7f2a50000000 rw-p 00001000 fe:00 9977920      /vm/a b (deleted)\n"
      "7f2a60000000-7f2a60001000 r--s 00000000 00:01 5 \n"
      "7f2a70000000-7f2a70001000 rw-p 00000000 00:00 0 \n");
  ASSERT_EQ(mappings.size(), 3u);
  EXPECT_EQ(mappings[0].start, 0x7f2a40000000u);
  EXPECT_EQ(mappings[0].end, 0x7f2a50000000u);
  EXPECT_EQ(mappings[0].offset, 0x1000u);
  EXPECT_EQ(mappings[0].inode, 9977920u);
  EXPECT_EQ(mappings[0].path, "/vm/a b (deleted)");
  EXPECT_TRUE(mappings[0].writable);
  EXPECT_FALSE(mappings[0].shared);
  EXPECT_TRUE(mappings[1].shared);
  EXPECT_TRUE(mappings[2].path.empty());
}

TEST(Mappings, PassesOverNonsense) {
  EXPECT_TRUE(parse_mappings("").empty());
  EXPECT_TRUE(parse_mappings("hello\n1-\n1-2 rw\n1-2 rw-p 0 fe:0\n2-1 rw-p 0 0:0 0 \n").empty());
}

// The parent's file with some pages overwritten, one of them with zeros.
TEST(GuestMemory, CopiesOnlyWhatAPrivateMappingChanged) {
  const UniqueFd parent = temporary_file();
  ASSERT_EQ(::ftruncate(parent.get(), kSize), 0);
  const std::string old(4 * kPage, 'p');
  ASSERT_EQ(::pwrite(parent.get(), old.data(), old.size(), 8 * kPage), static_cast<ssize_t>(old.size()));
  Map map(parent.get(), MAP_PRIVATE, kSize);
  std::memset(map.page(9), 'n', kPage);
  std::memset(map.page(10), 0, kPage);
  std::memset(map.page(40), 'q', kPage);
  EXPECT_EQ(*map.page(11), 'p');  // read: present, but the file's page
  EXPECT_EQ(*map.page(50), 0);

  const auto memory = GuestMemory::find(::getpid(), kSize, parent.get());
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->backing(), Backing::kPrivateFile);
  const UniqueFd to = temporary_file();
  const auto changed = memory->copy_changed(to.get(), Deadline::never());
  EXPECT_EQ(changed, (std::vector<Extent>{{9 * kPage, 11 * kPage}, {40 * kPage, 41 * kPage}}));
  EXPECT_EQ(allocated_bytes(to.get()), 2 * kPage);

  fill_unchanged(parent.get(), to.get(), kSize, changed, Deadline::never());
  std::string expected(kSize, '\0');
  std::fill_n(expected.begin() + 8 * kPage, 4 * kPage, 'p');
  std::fill_n(expected.begin() + 9 * kPage, kPage, 'n');
  std::fill_n(expected.begin() + 10 * kPage, kPage, '\0');
  std::fill_n(expected.begin() + 40 * kPage, kPage, 'q');
  EXPECT_EQ(content(to.get()), expected);
  EXPECT_EQ(allocated_bytes(to.get()), 4 * kPage) << "a page of zeros was stored";
  std::string untouched(kSize, '\0');
  std::fill_n(untouched.begin() + 8 * kPage, 4 * kPage, 'p');
  EXPECT_EQ(content(parent.get()), untouched);
}

// More of them than one read takes, in pieces that a read cuts.
TEST(GuestMemory, CopiesPagesThatLieApart) {
  constexpr uint64_t kLarge = 12 << 20;
  const UniqueFd parent = temporary_file();
  ASSERT_EQ(::ftruncate(parent.get(), kLarge), 0);
  Map map(parent.get(), MAP_PRIVATE, kLarge);
  std::string expected(kLarge, '\0');
  std::vector<Extent> lonely;
  for (uint64_t page = 1; page < kLarge / kPage; page += page % 5 + 2) {
    std::memset(map.page(page), static_cast<int>('a' + page % 26), kPage);
    std::memcpy(expected.data() + page * kPage, map.page(page), kPage);
    append(lonely, {page * kPage, (page + 1) * kPage});
  }
  const auto memory = GuestMemory::find(::getpid(), kLarge, parent.get());
  ASSERT_TRUE(memory);
  const UniqueFd to = temporary_file();
  EXPECT_EQ(memory->copy_changed(to.get(), Deadline::never()), lonely);
  EXPECT_TRUE(content(to.get()) == expected);
}

TEST(GuestMemory, IsCopiedUntilTheDeadlineAndNoLonger) {
  const UniqueFd parent = temporary_file();
  ASSERT_EQ(::ftruncate(parent.get(), kSize), 0);
  Map map(parent.get(), MAP_PRIVATE, kSize);
  std::memset(map.page(9), 'n', kPage);
  const auto memory = GuestMemory::find(::getpid(), kSize, parent.get());
  ASSERT_TRUE(memory);
  const UniqueFd to = temporary_file();
  const Deadline over = Deadline::after(std::chrono::seconds(0));
  EXPECT_EQ(code_thrown_by([&] { memory->copy_changed(to.get(), over); }), Code::kTimeout);
}

// Firecracker puts what lies above 3 GiB in front of the rest.
TEST(GuestMemory, KnowsThatTheHighPartLiesFirst) {
  constexpr uint64_t kLow = uint64_t{3} << 30;
  constexpr uint64_t kHigh = 16 << 20;
  Map map(-1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, kHigh + kLow + 0x21000);
  const uint64_t low = kHigh / kPage;
  std::memset(map.page(5), 'h', kPage);
  std::memset(map.page(low + 7), 'l', kPage);
  std::memcpy(map.page(low + 0xE0), "RSD PTR ", 8);
  const auto memory = GuestMemory::find(::getpid(), kLow + kHigh, -1);
  ASSERT_TRUE(memory);
  const UniqueFd to = temporary_file();
  memory->copy_changed(to.get(), Deadline::never());
  ASSERT_EQ(file_size(to.get()), kLow + kHigh);
  const auto page_at = [&](uint64_t offset) {
    std::string page(kPage, '\0');
    read_at(to.get(), page.data(), page.size(), offset);
    return page;
  };
  EXPECT_EQ(page_at(7 * kPage), std::string(kPage, 'l'));
  EXPECT_EQ(page_at(kLow + 5 * kPage), std::string(kPage, 'h'));
  EXPECT_EQ(page_at(0xE0000).substr(0, 8), "RSD PTR ");
  EXPECT_EQ(allocated_bytes(to.get()), 3 * kPage);
}

TEST(GuestMemory, IsNotFoundWhenOnlyAPartIsMapped) {
  const UniqueFd parent = temporary_file();
  ASSERT_EQ(::ftruncate(parent.get(), kSize), 0);
  Map map(parent.get(), MAP_PRIVATE, kSize / 2);
  EXPECT_FALSE(GuestMemory::find(::getpid(), kSize, parent.get()));
}

TEST(GuestMemory, FindsAProcessByItsPidfd) {
  const UniqueFd pidfd = open_pidfd(::getpid());
  EXPECT_EQ(pid_in_proc(pidfd.get()), ::getpid());
}

TEST(GuestMemory, CopiesASharedMemfdWhole) {
  const UniqueFd memfd(::memfd_create(kMemfdName, MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memfd.get(), kSize), 0);
  Map map(memfd.get(), MAP_SHARED, kSize);
  std::memset(map.page(3), 'x', kPage);
  const auto memory = GuestMemory::find(::getpid(), kSize, -1);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->backing(), Backing::kShared);
  const UniqueFd to = temporary_file();
  const auto changed = memory->copy_changed(to.get(), Deadline::never());
  EXPECT_EQ(changed, (std::vector<Extent>{{0, kSize}}));
  EXPECT_EQ(content(to.get()), content(memfd.get()));
  EXPECT_EQ(allocated_bytes(to.get()), kPage);
}

#ifndef KNALLER_TSAN  // whose thread keeps a process from making a user namespace
// Its root may mount and make files.
void enter_user_namespace() {
  const auto write_proc = [](const char* file, const std::string& text) {
    write_all(open_at(AT_FDCWD, std::string("/proc/self/") + file, O_WRONLY).get(), text, file);
  };
  const std::string user = fmt::format("0 {} 1", ::geteuid());
  const std::string group = fmt::format("0 {} 1", ::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(2);
  write_proc("setgroups", "deny");
  write_proc("uid_map", user);
  write_proc("gid_map", group);
}

// Files of any other file system may have the memfd's inode number: a home on a fresh one has.
bool makes_file_of_inode(const std::string& folder, uint64_t inode, int as) {
  struct stat info = {};
  do {
    const UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), kSize) != 0 || ::fstat(file.get(), &info) != 0) return false;
    if (info.st_ino == inode) return ::dup2(file.get(), as) == as;
  } while (info.st_ino < inode);
  return false;
}

TEST(GuestMemory, IsNotAnotherFileOfTheSameInodeNumber) {
  const TestFolder folder;
  const UniqueFd memfd(::memfd_create(kMemfdName, MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memfd.get(), kSize), 0);
  struct stat info = {};
  ASSERT_EQ(::fstat(memfd.get(), &info), 0);
  Map map(memfd.get(), MAP_SHARED, kSize);
  std::memset(map.page(3), 'x', kPage);
  const pid_t child = ::fork();
  if (child == 0) {
    // Descriptors are listed as text: 10 before any of one digit.
    enter_user_namespace();
    if (::mount("knaller", folder.path().c_str(), "tmpfs", 0, "inode32") != 0 ||
        !makes_file_of_inode(folder.path(), info.st_ino, 10))
      ::_exit(2);
    const auto memory = GuestMemory::find(::getpid(), kSize, -1);
    const UniqueFd to = temporary_file();
    if (!memory) ::_exit(3);
    memory->copy_changed(to.get(), Deadline::never());
    ::_exit(content(to.get()) == content(memfd.get()) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: it read the file; 2: there is none of that number";
}
#endif

TEST(GuestMemory, SaysWhenAPartOfItIsTakenAway) {
  const UniqueFd parent = temporary_file();
  ASSERT_EQ(::ftruncate(parent.get(), kSize), 0);
  Map map(parent.get(), MAP_PRIVATE, kSize);
  std::memset(map.page(9), 'n', 2 * kPage);
  const auto memory = GuestMemory::find(::getpid(), kSize, parent.get());
  ASSERT_TRUE(memory);
  ASSERT_EQ(::mprotect(map.page(10), kPage, PROT_NONE), 0);
  const UniqueFd to = temporary_file();
  try {
    errno = ENOSPC;
    memory->copy_changed(to.get(), Deadline::never());
    FAIL() << "it was read";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("took away a part"), std::string::npos) << error.message();
  }
}

// A process that has ended is not looked for by its number again.
TEST(GuestMemory, IsNotFoundAgainOnceItsProcessHasEnded) {
  const UniqueFd memfd(::memfd_create(kMemfdName, MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memfd.get(), kSize), 0);
  Map map(memfd.get(), MAP_SHARED, kSize);
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const auto memory = GuestMemory::find(child, kSize, -1);
  ASSERT_TRUE(memory);
  EXPECT_TRUE(memory->find_again(-1));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(memory->find_again(-1));
}

TEST(GuestMemory, IsNotTheParentsWhenTheVmWasBootedSince) {
  const UniqueFd parent = temporary_file();
  ASSERT_EQ(::ftruncate(parent.get(), kSize), 0);
  const UniqueFd memfd(::memfd_create(kMemfdName, MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memfd.get(), kSize), 0);
  Map map(memfd.get(), MAP_SHARED, kSize);
  const auto booted = GuestMemory::find(::getpid(), kSize, parent.get());
  ASSERT_TRUE(booted);
  EXPECT_EQ(booted->backing(), Backing::kShared);
  // One that is mapped in part only is not passed over for something else.
  Map part(parent.get(), MAP_PRIVATE, kSize / 2);
  EXPECT_FALSE(GuestMemory::find(::getpid(), kSize, parent.get()));
}

// A process of another size than its guest: what Firecracker's fresh memory looks like when an arena follows
// it.
TEST(GuestMemory, KnowsFirecrackersMemoryByItsAcpiRoot) {
  constexpr uint64_t kGuest = 16 << 20;
  Map map(-1, MAP_PRIVATE | MAP_ANONYMOUS, kGuest + 0x21000);
  std::memset(map.page(7), 'y', kPage);
  EXPECT_FALSE(GuestMemory::find(::getpid(), kGuest, -1));
  std::memcpy(map.page(0xE0), "RSD PTR ", 8);
  const auto memory = GuestMemory::find(::getpid(), kGuest, -1);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->backing(), Backing::kAnonymous);
  const UniqueFd to = temporary_file();
  memory->copy_changed(to.get(), Deadline::never());
  const std::string copied = content(to.get());
  ASSERT_EQ(copied.size(), kGuest);
  EXPECT_EQ(copied.substr(7 * kPage, kPage), std::string(kPage, 'y'));
  EXPECT_EQ(copied.substr(0xE0000, 8), "RSD PTR ");
  EXPECT_EQ(allocated_bytes(to.get()), 2 * kPage);
}

}  // namespace
}  // namespace knaller::memory
