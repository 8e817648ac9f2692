// A capture on an engine inside this process: every step of it, without a guest.
#include "vm/snapshots/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "base/page.h"
#include "base/test_folder.h"
#include "memory/test_memory.h"
#include "vm/home/layout.h"
#include "vm/snapshots/test_engine.h"

namespace knaller::vm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kMemory = 4 << 20;
constexpr uint64_t kDiskSize = 64 << 10;
const std::string kDiskName = layout::kRootfs;

std::string read_back(int directory, const std::string& name) {
  return read_file_if_exists(directory, name, kMemory + 1).value_or("(there is no such file)");
}

class CaptureTest : public testing::Test {
 protected:
  CaptureTest() {
    for (const char* folder : {"vm", "target"}) make_directories(folder_.path(folder));
    directory_ = open_directory(folder_.path("vm"));
    target_ = open_directory(folder_.path("target"));
    make_vm_directories(directory_.get());
    jail_ = open_directory(folder_.path("vm/jail"));
    record_.memory_mib = kMemory >> 20;
    record_.network = NetworkMode::kNone;
    record_.engine_version = "1.12.0";
    write_to_disk("what the guest wrote first");
    if (::truncate(folder_.path("vm/jail/" + kDiskName).c_str(), kDiskSize) != 0) fail_errno("truncate");
  }

  // Memory as knaller-qemu has it after a boot.
  void boot() {
    memfd_ = UniqueFd(::memfd_create(memory::kMemfdName, MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(memfd_.get(), kMemory), 0);
    guest_.emplace(memfd_.get(), MAP_SHARED, kMemory);
  }
  // Memory as every engine has it after a restore.
  void restore() {
    record_.from_snapshot = "snap_0a1b2c3d";
    write_file_atomically(directory_.get(), layout::in_parts(layout::kMemory), std::string(kMemory, 'p'),
                          Durability::kNoSync);
    ASSERT_EQ(::linkat(directory_.get(), layout::in_parts(layout::kMemory).c_str(), jail_.get(),
                       layout::kParentMemory, 0),
              0);
    guest_.emplace(open_at(jail_.get(), layout::kParentMemory, O_RDONLY).get(), MAP_PRIVATE, kMemory);
  }

  void write_to_disk(const std::string& text) const {
    const UniqueFd disk = open_at(jail_.get(), kDiskName, O_WRONLY | O_CREAT);
    ASSERT_EQ(::pwrite(disk.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }

  Capture make(CapturePlan plan = {}) {
    return Capture(
        {.record = record_, .directory = directory_.get(), .jail = jail_.get(), .engine = ::getpid()},
        target_.get(), std::move(plan));
  }
  // As the caller does it, but that the guest never runs.
  static void take(Capture& capture) {
    capture.prepare(kSoon);
    capture.take(kSoon);
    capture.collect(kSoon);
    capture.write_staged(kSoon);
  }

  std::string memory_of_guest() { return {guest_->page(0), kMemory}; }
  std::string disk_of_guest() const { return read_back(jail_.get(), kDiskName); }
  std::string captured(const std::string& name) const { return read_back(target_.get(), name); }

  TestFolder folder_;
  UniqueFd directory_, target_, jail_;
  store::VmRecord record_;
  UniqueFd memfd_;
  std::optional<memory::Map> guest_;
};

TEST_F(CaptureTest, BringsMemoryDevicesAndDiskIntoTheSnapshot) {
  boot();
  std::strcpy(guest_->page(5), "in memory");
  const TestEngine engine(jail_.get(), {});
  Capture capture = make();
  take(capture);
  EXPECT_EQ(capture.way(), CaptureWay::kOutside);
  EXPECT_EQ(engine.memories_saved(), 0);
  EXPECT_THAT(capture.files(), UnorderedElementsAre(layout::kMemory, layout::kState, kDiskName));
  EXPECT_EQ(captured(layout::kState), "state of the devices");
  EXPECT_EQ(captured(layout::kMemory), memory_of_guest());
  EXPECT_EQ(captured(kDiskName), disk_of_guest());
  EXPECT_FALSE(capture.memory_changed()) << "there is no parent to differ from";
}

TEST_F(CaptureTest, TakesWhatTheGuestChangedBetweenPreparationAndPause) {
  boot();
  const TestEngine engine(jail_.get(), {});
  Capture capture = make();
  capture.prepare(kSoon);
  std::strcpy(guest_->page(0), "late");
  write_to_disk("late, too");
  capture.take(kSoon);
  std::strcpy(guest_->page(0), "after");
  capture.collect(kSoon);
  capture.write_staged(kSoon);
  EXPECT_STREQ(captured(layout::kMemory).c_str(), "late");
  EXPECT_THAT(captured(kDiskName), HasSubstr("late, too"));
}

TEST_F(CaptureTest, OfACloneReadsOnlyWhatItChanged) {
  restore();
  std::memset(guest_->page(3), 'x', kPage);
  const TestEngine engine(jail_.get(), {});
  Capture capture = make();
  take(capture);
  EXPECT_EQ(capture.way(), CaptureWay::kOutside);
  EXPECT_THAT(capture.memory_changed().value(), ElementsAre(Extent{3 * kPage, 4 * kPage}));
  EXPECT_EQ(captured(layout::kMemory), memory_of_guest());
}

TEST_F(CaptureTest, LeavesTheDiskOutWhenItIsNotWanted) {
  boot();
  const TestEngine engine(jail_.get(), {});
  Capture capture = make({.with_disk = false});
  take(capture);
  EXPECT_THAT(capture.files(), UnorderedElementsAre(layout::kMemory, layout::kState));
}

// A frame that is read or a queue that is kicked between state and memory makes them of different instants.
TEST_F(CaptureTest, IsTakenAgainWhenTheEngineWroteToTheDiskMeanwhile) {
  boot();
  const TestEngine engine(jail_.get(), {.on_save = [this](int save) {
                            if (save == 1) write_to_disk("done for the guest while it stood still");
                            std::strcpy(guest_->page(1), save == 1 ? "first" : "second");
                          }});
  Capture capture = make();
  take(capture);
  EXPECT_EQ(engine.states_saved(), 2);
  EXPECT_EQ(capture.way(), CaptureWay::kOutside);
  EXPECT_EQ(captured(kDiskName), disk_of_guest());
  EXPECT_EQ(captured(layout::kMemory), memory_of_guest());
}

TEST_F(CaptureTest, LetsTheEngineWriteItsMemoryWhenItKeepsMoving) {
  boot();
  const TestEngine engine(jail_.get(), {.memory = [this] { return memory_of_guest(); },
                                        .on_save =
                                            [this](int save) {
                                              if (save <= 3) write_to_disk(std::to_string(save));
                                            }});
  Capture capture = make();
  take(capture);
  EXPECT_EQ(capture.way(), CaptureWay::kEngine);
  EXPECT_EQ(capture.why_not_outside(), "the engine wrote to the disk of its paused guest each time");
  EXPECT_EQ(engine.memories_saved(), 1);
  EXPECT_EQ(captured(layout::kMemory), memory_of_guest());
  EXPECT_EQ(captured(kDiskName), disk_of_guest());
}

TEST_F(CaptureTest, IsGivenUpWhenTheEngineNeverKeepsStill) {
  boot();
  const TestEngine engine(jail_.get(),
                          {.memory = [this] { return memory_of_guest(); },
                           .on_save = [this](int save) { write_to_disk(std::to_string(save)); }});
  Capture capture = make();
  capture.prepare(kSoon);
  EXPECT_EQ(message_thrown_by([&] { capture.take(kSoon); }),
            "its state and its disk do not belong to one instant: the engine wrote to the disk of its paused "
            "guest each time | try again");
  EXPECT_EQ(engine.states_saved(), 6);
}

TEST_F(CaptureTest, AskedForFromOutsideDoesNotFallBack) {
  boot();
  const TestEngine engine(jail_.get(),
                          {.on_save = [this](int save) { write_to_disk(std::to_string(save)); }});
  Capture capture = make({.way = CaptureWay::kOutside});
  capture.prepare(kSoon);
  EXPECT_EQ(code_thrown_by([&] { capture.take(kSoon); }), Code::kUnsupported);
  EXPECT_EQ(engine.memories_saved(), 0);
}

TEST_F(CaptureTest, LetsTheEngineWriteItsMemoryWhenThatIsNotFound) {
  const std::string memory(kMemory, 'm');
  const TestEngine engine(jail_.get(), {.memory = [&] { return memory; }});
  Capture capture = make();
  take(capture);
  EXPECT_EQ(capture.way(), CaptureWay::kEngine);
  EXPECT_EQ(capture.why_not_outside(), "the guest's memory was not found in the engine's mappings");
  EXPECT_EQ(captured(layout::kMemory), memory);
}

TEST_F(CaptureTest, SaysBeforeThePauseThatTheMemoryCannotBeReadFromOutside) {
  Capture capture = make({.way = CaptureWay::kOutside});
  EXPECT_EQ(message_thrown_by([&] { capture.prepare(kSoon); }),
            "the guest's memory can't be read from outside: the guest's memory was not found in the engine's "
            "mappings | let the engine write it: --capture engine");
}

TEST_F(CaptureTest, IsTheEnginesWhenThatWasRequested) {
  boot();
  const TestEngine engine(jail_.get(), {.memory = [this] { return memory_of_guest(); }});
  Capture capture = make({.way = CaptureWay::kEngine});
  take(capture);
  EXPECT_EQ(engine.memories_saved(), 1);
  EXPECT_EQ(capture.why_not_outside(), "it was requested");
}

// Whatever an engine that a guest has taken over makes of the names.
TEST_F(CaptureTest, BelievesNothingThatTheEngineLeft) {
  struct Lie {
    const char* what;
    TestEngine::Script script;
    const char* message;
  };
  const Lie lies[] = {
      {"no state", {.state = ""}, "the engine wrote a state of 0 bytes"},
      {"less memory",
       {.memory = [] { return std::string("little"); }},
       "'new-memory' has 6 bytes instead of"},
      {"a link to a file of the host's",
       {.memory = [] { return std::string(kMemory, 'm'); },
        .on_save =
            [this](int) {
              ::unlinkat(jail_.get(), layout::kNewState, 0);
              ::symlinkat("/etc/passwd", jail_.get(), layout::kNewState);
            }},
       "new-state"},
      {"nothing at all",
       {.memory = [] { return std::string(kMemory, 'm'); },
        .on_save = [this](int) { ::unlinkat(jail_.get(), layout::kNewState, 0); }},
       "the engine left no 'new-state'"},
  };
  for (const Lie& lie : lies) {
    SCOPED_TRACE(lie.what);
    for (const std::string& name : list_directory(target_.get())) ::unlinkat(target_.get(), name.c_str(), 0);
    const TestEngine engine(jail_.get(), lie.script);
    Capture capture = make({.way = CaptureWay::kEngine});
    capture.prepare(kSoon);
    capture.take(kSoon);
    EXPECT_THAT(message_thrown_by([&] { capture.collect(kSoon); }), HasSubstr(lie.message));
  }
}

TEST_F(CaptureTest, PassesOnWhyTheEngineRefused) {
  boot();
  const TestEngine engine(jail_.get(), {.refusal = firecracker::fault_response("no snapshots today")});
  Capture capture = make();
  capture.prepare(kSoon);
  EXPECT_EQ(message_thrown_by([&] { capture.take(kSoon); }),
            "the engine did not save the state of its devices: no snapshots today | let it write a whole "
            "snapshot: --capture engine");
}

TEST_F(CaptureTest, LeavesNothingInTheJail) {
  boot();
  const TestEngine engine(jail_.get(), {});
  Capture capture = make();
  take(capture);
  capture.remove_engine_files();
  EXPECT_THAT(list_directory(jail_.get()), UnorderedElementsAre(kDiskName, layout::kApiSocket));
}

}  // namespace
}  // namespace knaller::vm
