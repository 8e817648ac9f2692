#include "base/rollback.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace knaller {
namespace {

TEST(RollbackTest, UndoesInReverseOrder) {
  std::string order;
  {
    Rollback rollback;
    rollback.add([&] { order += "a"; });
    rollback.add([&] { order += "b"; });
    EXPECT_EQ(order, "");
  }
  EXPECT_EQ(order, "ba");
}

TEST(RollbackTest, CommittedStepsStay) {
  std::string order;
  {
    Rollback rollback;
    rollback.add([&] { order += "a"; });
    rollback.commit();
    rollback.add([&] { order += "b"; });
  }
  EXPECT_EQ(order, "b");
}

TEST(RollbackTest, AnUndoThatThrowsDoesNotKeepTheOthersFromRunning) {
  std::string order;
  Rollback rollback;
  rollback.add([&] { order += "a"; });
  rollback.add([] { throw std::runtime_error("cannot"); });
  rollback.run();
  EXPECT_EQ(order, "a");
  rollback.run();
  EXPECT_EQ(order, "a") << "an undo runs once";
}

}  // namespace
}  // namespace knaller
