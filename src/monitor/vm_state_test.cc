#include "monitor/vm_state.h"

#include <gtest/gtest.h>

#include <string>

namespace knaller::monitor {
namespace {

// As monitors of other versions say them, and as exit.json has them.
TEST(VmStateTest, TextsAreTheFormatsOnes) {
  EXPECT_EQ(to_text(RunState::kStarting), "starting");
  EXPECT_EQ(to_text(RunState::kRunning), "running");
  EXPECT_EQ(to_text(RunState::kPaused), "paused");
  EXPECT_EQ(to_text(RunState::kStuck), "stuck");
  EXPECT_EQ(to_text(RunState::kStopping), "stopping");
  EXPECT_EQ(to_text(EndState::kStopped), "stopped");
  EXPECT_EQ(to_text(EndState::kCrashed), "crashed");
}

TEST(VmStateTest, AreReadBack) {
  for (const RunState state :
       {RunState::kStarting, RunState::kRunning, RunState::kPaused, RunState::kStuck, RunState::kStopping})
    EXPECT_EQ(run_state_from_text(to_text(state)), state) << to_text(state);
  for (const EndState state : {EndState::kStopped, EndState::kCrashed})
    EXPECT_EQ(end_state_from_text(to_text(state)), state) << to_text(state);
}

TEST(VmStateTest, OthersAreNone) {
  for (const char* text : {"", "Running", "running ", "flying", "stopped"})
    EXPECT_FALSE(run_state_from_text(text)) << text;
  for (const char* text : {"", "Stopped", "running"}) EXPECT_FALSE(end_state_from_text(text)) << text;
}

}  // namespace
}  // namespace knaller::monitor
