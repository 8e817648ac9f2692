#include "monitor/halt_watch.h"

#include <gtest/gtest.h>

namespace knaller::monitor {
namespace {

using Since = VcpuActivity::Since;
using Verdict = HaltEvidence::Verdict;

TEST(HaltEvidence, IsSleepWithoutABreak) {
  HaltEvidence evidence;
  for (int i = 0; i < 29; ++i) EXPECT_EQ(evidence.add(Since::kAsleep, 30), Verdict::kOpen);
  EXPECT_EQ(evidence.add(Since::kAsleep, 30), Verdict::kHalted);
}

TEST(HaltEvidence, OneInterruptBeginsItAnew) {
  for (const Since interruption : {Since::kWoken, Since::kUnknown}) {
    HaltEvidence evidence;
    for (int i = 0; i < 29; ++i) evidence.add(Since::kAsleep, 30);
    EXPECT_EQ(evidence.add(interruption, 30), Verdict::kOpen);
    for (int i = 0; i < 29; ++i) EXPECT_EQ(evidence.add(Since::kAsleep, 30), Verdict::kOpen);
    EXPECT_EQ(evidence.add(Since::kAsleep, 30), Verdict::kHalted);
  }
}

TEST(HaltEvidence, AGuestThatIsWokenAgainAndAgainLives) {
  HaltEvidence evidence;
  Verdict verdict = Verdict::kOpen;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(verdict, Verdict::kOpen);
    for (int j = 0; j < 20; ++j) EXPECT_EQ(evidence.add(Since::kAsleep, 30), Verdict::kOpen);
    verdict = evidence.add(Since::kWoken, 30);
  }
  EXPECT_EQ(verdict, Verdict::kAlive);
}

TEST(HaltEvidence, APauseProvesNothing) {
  HaltEvidence evidence;
  for (int i = 0; i < 29; ++i) evidence.add(Since::kAsleep, 30);
  for (int i = 0; i < 10'000; ++i) evidence.interrupt();
  EXPECT_EQ(evidence.add(Since::kAsleep, 30), Verdict::kOpen);
}

// It may be starved of its processor just before its last instruction, or busy.
TEST(HaltEvidence, NobodyLooksForEver) {
  HaltEvidence evidence;
  int looks = 0;
  while (evidence.add(Since::kUnknown, 30) == Verdict::kOpen) ++looks;
  EXPECT_GT(looks, 600);
}

TEST(ThreadStatus, TellsWhetherItSleepsAndHowOftenItDid) {
  const auto state = parse_thread_status(
      "Name:\tfc_vcpu 0\nState:\tS "
      "(sleeping)\nvoluntary_ctxt_switches:\t812\nnonvoluntary_ctxt_switches:\t3\n");
  ASSERT_TRUE(state);
  EXPECT_TRUE(state->asleep);
  EXPECT_EQ(state->sleeps, 812u);
  EXPECT_FALSE(parse_thread_status("State:\tR (running)\nvoluntary_ctxt_switches:\t1\n")->asleep);
  EXPECT_FALSE(parse_thread_status("State:\tS (sleeping)\n"));
  EXPECT_FALSE(parse_thread_status(""));
}

TEST(ThreadStatus, KnowsTheProcessorsThreads) {
  EXPECT_TRUE(is_vcpu_thread("fc_vcpu 0"));
  EXPECT_TRUE(is_vcpu_thread("CPU 12/KVM"));
  EXPECT_TRUE(is_vcpu_thread("CPU 0/TCG"));
  EXPECT_FALSE(is_vcpu_thread("fc_api"));
  EXPECT_FALSE(is_vcpu_thread("qemu-system-x86"));
}

}  // namespace
}  // namespace knaller::monitor
