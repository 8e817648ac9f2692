// knaller-qemu as the monitor runs it: pid 1 of its own namespaces, without capabilities, in an empty root.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "live_test.h"
#include "memory/guest_memory.h"

namespace knaller::test {
namespace {

class InJail : public LiveTest {};

constexpr uint64_t kMemory = 192 << 20;

LiveOptions in_jail_with(const EngineFolder& snapshot) {
  return {.jailed = true, .prepare = [&snapshot](const EngineFolder& folder) {
            copy_snapshot(snapshot, folder);
            return std::vector<std::string>{"parent-memory", "parent-state"};
          }};
}

void save_from_outside(LiveVm& vm, bool restored) {
  vm.pause();
  EXPECT_EQ(vm.answer_to(firecracker::create_snapshot({"state", "."}, {1, 16, 1, {}})).substr(0, 3), "400");
  UniqueFd parent;
  if (restored) parent = open_at(vm.folder().fd(), "parent-memory", O_RDONLY);
  const auto memory = memory::GuestMemory::find(vm.child().pid(), kMemory, parent.get());
  if (!memory) fail(Code::kNotFound, "no guest memory was found in the jail");
  const UniqueFd to =
      open_at(vm.folder().fd(), restored ? "memory" : "memory-outside", O_RDWR | O_CREAT | O_EXCL);
  const auto changed = memory->copy_changed(to.get(), guest_patience());
  if (restored) memory::fill_unchanged(parent.get(), to.get(), kMemory, changed, guest_patience());
}

size_t filters_of(pid_t pid) {
  for (const auto line : split(read_file(fmt::format("/proc/{}/status", pid)), '\n'))
    if (line.starts_with("Seccomp_filters:"))
      return static_cast<size_t>(std::stoul(std::string(line.substr(16))));
  return 0;
}

// Its own -sandbox, and knaller-qemu's list for it.
TEST_F(InJail, QemuHasAListOfItsOwn) {
  LiveVm vm({.jailed = true, .prepare = {}});
  vm.boot();
  EXPECT_EQ(filters_of(vm.qemu_pid()), filters_of(vm.child().pid()) + 2);
}

// By the engine itself, and as knaller does it: the state by the engine, the memory from outside.
TEST_F(InJail, SavesAndRestoresOverGenerations) {
  LiveVm first({.jailed = true, .prepare = {}});
  first.boot();
  EXPECT_TRUE(first.next_tick().has("mem=ok"));
  first.pause();
  first.save();

  LiveVm second(in_jail_with(first.folder()));
  second.load();
  second.wait_for_line("mem=ok");
  save_from_outside(second, true);

  LiveVm third(in_jail_with(second.folder()));
  third.load();
  third.wait_for_line("mem=ok");
  third.pause();
  third.save();
  EXPECT_GT(third.last_tick().number, first.last_tick().number);

  LiveVm fourth(in_jail_with(third.folder()));
  fourth.load();
  fourth.wait_for_line("mem=ok");
  first.resume();
  first.wait_for_line("mem=ok");
  save_from_outside(first, false);
}

}  // namespace
}  // namespace knaller::test
