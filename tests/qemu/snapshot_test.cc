// Snapshots of running guests: one instant of memory and disk, any number of VMs from one, and of those
// again.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "live_test.h"
#include "memory/guest_memory.h"

namespace knaller::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Snapshots : public LiveTest {
 protected:
  // A guest that ran for a while, is paused, and has a snapshot.
  static void boot_and_save(LiveVm& vm) {
    vm.boot();
    vm.next_tick();
    vm.pause();
    vm.save();
  }
};

constexpr uint64_t kMemory = 192 << 20;

// Waits until a tick behind `number` said that memory is as it should be. None may say the contrary. The
// parent may have begun the line of one more tick, whose rest is here.
void expect_goes_on(LiveVm& vm, int number) {
  int previous = 0;
  for (bool checked = false; !checked;) {
    const Tick tick = vm.next_tick();
    if (tick.number == 0) continue;
    EXPECT_GE(tick.number, number + 1) << tick.line;
    EXPECT_LE(tick.number, previous == 0 ? number + 2 : previous + 1) << tick.line;
    EXPECT_FALSE(tick.has("BAD")) << tick.line;
    previous = tick.number;
    checked = tick.has("mem=ok");
  }
}

// What the paused guest printed last.
int paused_at(LiveVm& vm) {
  vm.pause();
  return vm.last_tick().number;
}

TEST_F(Snapshots, CloneGoesOnWhileTheOriginalRuns) {
  LiveVm original;
  original.boot();
  original.next_tick();
  const int at = paused_at(original);
  original.save();
  LiveVm clone;
  {
    // The disk of the same instant.
    clone.load_from(original.folder(), false);
    EXPECT_EQ(clone.client().describe(guest_patience()).state, "Paused");
  }
  original.resume();
  clone.resume();
  const std::string memory = digest_of(clone.folder(), "parent-memory");
  expect_goes_on(clone, at);
  original.wait_for_line("mem=ok");
  original.wait_for_line("mem=ok");
  // Each on its own disk, and neither wrote to the file that both could share.
  EXPECT_EQ(digest_of(clone.folder(), "parent-memory"), memory);
  EXPECT_EQ(digest_of(original.folder(), "memory"), memory);
}

TEST_F(Snapshots, OfClonesOverFourGenerations) {
  auto vm = std::make_unique<LiveVm>();
  vm->boot(2);
  vm->next_tick();
  for (int generation = 1; generation <= 4; ++generation) {
    SCOPED_TRACE(generation);
    const int at = paused_at(*vm);
    vm->save();
    const std::string memory = digest_of(vm->folder(), "memory");
    auto clone = std::make_unique<LiveVm>();
    clone->load_from(vm->folder());
    if (generation > 1) {
      EXPECT_EQ(clone->last_tick().number, 0);
    }
    expect_goes_on(*clone, at);
    EXPECT_EQ(digest_of(clone->folder(), "parent-memory"), memory);
    vm = std::move(clone);
  }
}

// Twice in one pause, and again after going on.
TEST_F(Snapshots, AreEqualWithinOnePause) {
  LiveVm vm;
  boot_and_save(vm);
  const std::string memory = digest_of(vm.folder(), "memory");
  vm.save();
  EXPECT_EQ(digest_of(vm.folder(), "memory"), memory);
  vm.resume();
  vm.next_tick();
  vm.next_tick();
  const int at = paused_at(vm);
  vm.save();
  EXPECT_NE(digest_of(vm.folder(), "memory"), memory);
  LiveVm clone;
  clone.load_from(vm.folder());
  expect_goes_on(clone, at);
}

TEST_F(Snapshots, StoreNoZeros) {
  LiveVm vm;
  boot_and_save(vm);
  const UniqueFd memory = open_at(vm.folder().fd(), "memory", O_RDONLY);
  EXPECT_EQ(file_size(memory.get()), kMemory);
  EXPECT_LT(allocated_bytes(memory.get()), kMemory * 2 / 3);
  EXPECT_GT(allocated_bytes(memory.get()), 12U << 20);
}

// As knaller takes one: the state from the engine, the memory from outside.
TEST_F(Snapshots, OfTheStateAloneWithTheMemoryReadFromOutside) {
  auto vm = std::make_unique<LiveVm>();
  vm->boot();
  vm->next_tick();
  for (int generation = 1; generation <= 3; ++generation) {
    SCOPED_TRACE(generation);
    const int at = paused_at(*vm);
    EXPECT_THAT(vm->answer_to(firecracker::create_snapshot({"state", "."}, {1, 16, 1, {}})),
                HasSubstr("Create snapshot error: Cannot perform open on the memory backing file: Is a "
                          "directory (os error 21)"));
    UniqueFd parent;
    if (generation > 1) parent = open_at(vm->folder().fd(), "parent-memory", O_RDONLY);
    const auto memory = memory::GuestMemory::find(vm->child().pid(), kMemory, parent.get());
    ASSERT_TRUE(memory);
    const UniqueFd to = open_at(vm->folder().fd(), "memory", O_RDWR | O_CREAT | O_EXCL);
    const auto changed = memory->copy_changed(to.get(), guest_patience());
    vm->resume();  // before the rest
    if (parent) {
      uint64_t bytes = 0;
      for (const Extent& extent : changed) bytes += extent.size();
      EXPECT_LT(bytes, kMemory / 4) << "a clone that did little has all of its memory to itself";
      memory::fill_unchanged(parent.get(), to.get(), kMemory, changed, guest_patience());
    }
    auto clone = std::make_unique<LiveVm>();
    clone->load_from(vm->folder());
    expect_goes_on(*clone, at);
    vm = std::move(clone);
  }
}

TEST_F(Snapshots, ADiffMergesIntoItsParent) {
  LiveVm original;
  boot_and_save(original);
  LiveVm clone;
  clone.load_from(original.folder());
  clone.wait_for_line("mem=ok");
  const int at = paused_at(clone);
  clone.save();
  const UniqueFd parent = open_at(clone.folder().fd(), "parent-memory", O_RDONLY);
  const UniqueFd merged = open_at(clone.folder().fd(), "merged", O_RDWR | O_CREAT);
  copy_sparse(parent.get(), merged.get(), kMemory, guest_patience());
  clone.client().apply(
      firecracker::create_snapshot({"state2", "merged", firecracker::SnapshotType::kDiff}, {1, 16, 1, {}}),
      guest_patience());
  EXPECT_EQ(digest_of(clone.folder(), "merged"), digest_of(clone.folder(), "memory"));
  EXPECT_GT(at, 0);
}

TEST_F(Snapshots, NeverGoOntoTheMemoryThatTheVmRunsOn) {
  LiveVm original;
  boot_and_save(original);
  LiveVm clone;
  clone.load_from(original.folder());
  clone.wait_for_line("mem=ok");
  clone.pause();
  const std::string memory = digest_of(clone.folder(), "parent-memory");
  ASSERT_EQ(::chmod(clone.folder().path("parent-memory").c_str(), 0600), 0);
  EXPECT_THAT(clone.answer_to(firecracker::create_snapshot({"state", "parent-memory"}, {1, 16, 1, {}})),
              StartsWith("400 "));
  EXPECT_EQ(digest_of(clone.folder(), "parent-memory"), memory);
  clone.resume();
  clone.wait_for_line("mem=ok");
}

// The access modes with which QEMU holds the file `name` open.
std::vector<int> access_modes(const LiveVm& vm, const std::string& name) {
  const std::string process = fmt::format("/proc/{}", vm.qemu_pid());
  std::vector<int> modes;
  for (const std::string& fd : list_directory(open_directory(process + "/fd").get())) {
    char target[4096] = {};
    if (::readlink(fmt::format("{}/fd/{}", process, fd).c_str(), target, sizeof target - 1) < 0) continue;
    if (target != vm.folder().path(name)) continue;
    const std::string info = read_file(fmt::format("{}/fdinfo/{}", process, fd));
    const size_t flags = info.find("flags:");
    modes.push_back(std::stoi(info.substr(flags + 6), nullptr, 8) & O_ACCMODE);
  }
  return modes;
}

// Two VMs on one memory file at once; neither has it open for writing, even as root.
TEST_F(Snapshots, ShareOneMemoryFile) {
  LiveVm original;
  original.boot();
  original.next_tick();
  const int at = paused_at(original);
  original.save();
  std::vector<std::unique_ptr<LiveVm>> clones;
  for (int i = 0; i < 2; ++i) {
    auto& clone = clones.emplace_back(std::make_unique<LiveVm>());
    for (const char* name : {"state", "memory"}) {
      ASSERT_EQ(::link(original.folder().path(name).c_str(), clone->folder().path(name).c_str()), 0);
    }
    const UniqueFd from = open_at(original.folder().fd(), "disk.ext4", O_RDONLY);
    const UniqueFd to = open_at(clone->folder().fd(), "disk.ext4", O_WRONLY | O_CREAT);
    copy_sparse(from.get(), to.get(), file_size(from.get()), guest_patience());
  }
  ASSERT_EQ(::chmod(original.folder().path("memory").c_str(), 0400), 0);
  const std::string memory = digest_of(original.folder(), "memory");
  for (auto& clone : clones) {
    clone->client().apply(firecracker::load_snapshot({"state", "memory", true}, {1, 16, 1, {}}),
                          guest_patience());
  }
  for (auto& clone : clones) {
    expect_goes_on(*clone, at);
    const auto modes = access_modes(*clone, "memory");
    EXPECT_FALSE(modes.empty());
    EXPECT_THAT(modes, ::testing::Each(O_RDONLY));
  }
  EXPECT_EQ(digest_of(original.folder(), "memory"), memory);
}

TEST_F(Snapshots, RestoreWithTheConsoleInAFile) {
  LiveVm original;
  boot_and_save(original);
  LiveVm clone;
  clone.client().apply(request("PUT", "/serial", R"({"serial_out_path":"serial"})"), guest_patience());
  clone.load_from(original.folder());
  LiveVm second;
  second.load_from(original.folder());
  second.wait_for_line("mem=ok");
  EXPECT_EQ(clone.console(), "");
  const Deadline deadline = guest_patience();
  while (clone.folder().read("serial").find("mem=ok") == std::string::npos) {
    deadline.check("the guest's words in its own file");
    pause_for(std::chrono::milliseconds(5), deadline);
  }
}

class BadSnapshots : public Snapshots {
 protected:
  // Loads, and returns the refusal. The engine must have ended with status 1.
  static std::string refusal(LiveVm& vm) {
    const std::string answer =
        vm.answer_to(firecracker::load_snapshot({"state", "memory", true}, {1, 16, 1, {}}));
    const auto status = vm.child().wait(guest_patience());
    EXPECT_TRUE(status && status->describe() == "exit code 1") << answer;
    return answer;
  }
};

TEST_F(BadSnapshots, OfFirecrackerAreRefusedByName) {
  LiveVm vm;
  vm.folder().write("state",
                    std::string("\x00\x00\x00\x64\x86\x84\x19\x10\x07", 9) + std::string(14000, 'x'));
  vm.folder().make_sparse("memory", kMemory);
  EXPECT_THAT(
      refusal(vm),
      HasSubstr("Load snapshot error: Failed to restore from snapshot: Failed to get snapshot state from "
                "file: this is a state of Firecracker's own, which does not load on QEMU"));
}

TEST_F(BadSnapshots, CutShortOrDamagedAreRefused) {
  LiveVm original;
  boot_and_save(original);
  const std::string state = original.folder().read("state");
  for (const bool cut : {true, false}) {
    LiveVm vm;
    std::string bad = state;
    if (cut) {
      bad.resize(bad.size() / 2);
    } else {
      bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
    }
    vm.folder().write("state", bad);
    vm.folder().make_sparse("memory", kMemory);
    add_disk(vm.folder(), "disk.ext4", 16 << 20, "DISK-A");
    EXPECT_THAT(refusal(vm), HasSubstr(cut ? "cut short" : "checksum is wrong"));
  }
}

TEST_F(BadSnapshots, WithoutTheirDiskAreRefused) {
  LiveVm original;
  boot_and_save(original);
  LiveVm vm;
  vm.folder().write("state", original.folder().read("state"));
  vm.folder().make_sparse("memory", kMemory);
  EXPECT_THAT(refusal(vm), HasSubstr("No such file or directory (os error 2) disk.ext4"));
}

}  // namespace
}  // namespace knaller::test
