#include "vm/life/list.h"

#include <gtest/gtest.h>

#include "monitor/exit_record.h"
#include "store/layout.h"
#include "vm/home/test_home.h"

namespace knaller::vm {
namespace {

class ListTest : public testing::Test {
 protected:
  ListTest() { home_.add_vm({}, "web"); }
  UniqueFd open() const { return home_.context.home.open_entry(store::Kind::kVm, "web"); }
  std::string vms() const { return home_.context.home.path() + "/vms/"; }

  TestHome home_;
};

TEST_F(ListTest, SaysHowAVmEnded) {
  store::VmRecord record = store::read_vm_record(open().get(), "web");
  record.boot_id = store::host_boot_id();
  store::write_vm_record(open().get(), record);
  EXPECT_EQ(inspect_vm(home_.context, "web").reason, monitor::kKilledReason);
  monitor::write_exit_record(open().get(),
                             {.state = monitor::EndState::kStopped, .reason = "it was asked to"});
  EXPECT_EQ(inspect_vm(home_.context, "web").state, VmState::kStopped);
  EXPECT_EQ(inspect_vm(home_.context, "web").reason, "it was asked to");
}

TEST_F(ListTest, KnowsThatTheHostWasRestarted) {
  EXPECT_EQ(inspect_vm(home_.context, "web").reason, "the host was restarted");
}

// Its files go one after the other: without the record of its end it looks like one whose monitor was killed.
TEST_F(ListTest, DoesNotCallAVmCrashedThatIsBeingRemoved) {
  const UniqueFd directory = open();
  ASSERT_EQ(::rename((vms() + "web").c_str(), (vms() + ".gone-web").c_str()), 0);
  EXPECT_EQ(code_thrown_by([&] { describe_vm(home_.context, "web", directory.get()); }), Code::kNotFound);
  ASSERT_EQ(::unlink((vms() + ".gone-web/vm.json").c_str()), 0);
  EXPECT_EQ(code_thrown_by([&] { describe_vm(home_.context, "web", directory.get()); }), Code::kNotFound);
  EXPECT_TRUE(list_vms(home_.context, {}).empty());
}

TEST_F(ListTest, ShowsWhatIsDamagedAndTheRest) {
  home_.add_vm({}, "other");
  write_file_atomically(open().get(), layout::kVmRecord, "{", Durability::kNoSync);
  const std::vector<VmInfo> vms = list_vms(home_.context, {.stopped_in_full = true});
  ASSERT_EQ(vms.size(), 2U);
  EXPECT_EQ(vms[0].name, "other");
  EXPECT_EQ(vms[1].state, VmState::kBroken);
  EXPECT_NE(vms[1].reason.find("vm.json"), std::string::npos) << vms[1].reason;
}

}  // namespace
}  // namespace knaller::vm
