// To which snapshot a VM goes back, and to which it does not: decided before anything is touched.
#include "vm/snapshots/rollback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vm/home/test_home.h"

namespace knaller::vm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RollbackTest : public testing::Test {
 protected:
  RollbackTest() { home_.add_vm({}, "web"); }

  // Of the VM "web" with that uuid, `age` hours old.
  static store::SnapshotRecord record(const std::string& uuid, int age) {
    store::SnapshotRecord record;
    record.vm_name = "web";
    record.vm_uuid = uuid;
    record.created_at = std::chrono::system_clock::now() - std::chrono::hours(age);
    record.has_memory = false;
    return record;
  }

  std::string roll_back(const RollbackOptions& options) {
    return message_thrown_by([&] { vm::roll_back(home_.context, options); });
  }

  TestHome home_;
};

TEST_F(RollbackTest, NeedsASnapshot) {
  EXPECT_EQ(roll_back({.name = "web"}),
            "roll back 'web': there is no snapshot of it | take one: knaller snapshot create web");
}

TEST_F(RollbackTest, PassesOverWhatIsNotTheVmsOwn) {
  home_.add_snapshot(record("uuid-of-an-older-web", 1));
  home_.add_snapshot(record("uuid-of-web", 1), {.labels = {{"safety", "rollback"}}});
  home_.add_snapshot(record("uuid-of-web", 1), {.imported = std::chrono::system_clock::now()});
  EXPECT_THAT(roll_back({.name = "web"}), HasSubstr("there is no snapshot of it"));
}

// Which one it chose is in what it says: these have no kernel that could be looked at.
TEST_F(RollbackTest, GoesBackToTheNewestOfItsOwn) {
  home_.add_snapshot(record("uuid-of-web", 9));
  const auto newest = home_.add_snapshot(record("uuid-of-web", 2));
  home_.add_snapshot(record("uuid-of-an-older-web", 1));
  EXPECT_THAT(roll_back({.name = "web"}), HasSubstr(newest.str()));
}

TEST_F(RollbackTest, RefusesTheSnapshotOfAnother) {
  const auto other = home_.add_snapshot(record("uuid-of-another", 1));
  EXPECT_THAT(roll_back({.name = "web", .snapshot = other.str()}),
              AllOf(HasSubstr("is a snapshot of another VM, 'web'"), HasSubstr("--force")));
}

// Whose it is only it says itself.
TEST_F(RollbackTest, RefusesAnImportedOneThatClaimsToBeItsOwn) {
  const auto imported =
      home_.add_snapshot(record("uuid-of-web", 1), {.imported = std::chrono::system_clock::now()});
  EXPECT_THAT(roll_back({.name = "web", .snapshot = imported.str()}), HasSubstr("was imported"));
}

TEST_F(RollbackTest, KnowsTheOneThatItWasMadeOf) {
  const auto origin = home_.add_snapshot(record("uuid-of-another", 1));
  store::VmRecord clone;
  clone.from_snapshot = origin.str();
  clone.created_at = std::chrono::system_clock::now();
  home_.add_vm(clone, "clone");
  EXPECT_THAT(roll_back({.name = "clone", .snapshot = origin.str()}),
              AllOf(HasSubstr(origin.str()), ::testing::Not(HasSubstr("of another VM"))));
}

TEST_F(RollbackTest, LeavesTheVmAsItWas) {
  home_.add_snapshot(record("uuid-of-web", 2));
  const auto before = read_file_if_exists(AT_FDCWD, home_.path_of_vm("web") + "/vm.json");
  EXPECT_NE(roll_back({.name = "web"}), "");
  EXPECT_EQ(read_file_if_exists(AT_FDCWD, home_.path_of_vm("web") + "/vm.json"), before);
  EXPECT_THAT(list_directory(home_.context.home.folder(store::Kind::kVm)), ::testing::ElementsAre("web"));
}

}  // namespace
}  // namespace knaller::vm
