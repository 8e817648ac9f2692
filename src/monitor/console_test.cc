#include "monitor/console.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace knaller::monitor {
namespace {

using testing::HasSubstr;
using testing::Not;

ConsoleMarkers scan(std::string_view text) {
  ConsoleScanner scanner;
  scanner.feed(text);
  return scanner.markers();
}

TEST(ConsoleScannerTest, FindsMarkersAtTheStartOfALine) {
  EXPECT_TRUE(scan("boot\nknaller: ready\n").ready);
  EXPECT_TRUE(scan("boot\r\nknaller: poweroff\r\n").poweroff);
  EXPECT_TRUE(scan("[   12.345678] reboot: Power down\n").halted);
  EXPECT_TRUE(scan("[   12.345678][    T1] reboot: System halted\n").halted);
  EXPECT_EQ(scan("[   12.345678] Kernel panic - not syncing: no init\n").panic_line, "no init");
}

TEST(ConsoleScannerTest, PassesOverThemElsewhereInALine) {
  const ConsoleMarkers markers = scan(
      "echo knaller: ready\n$ knaller: poweroff?\nsaid reboot: Power down\n[info] reboot: System "
      "halted\n<Kernel panic - not syncing: x\n");
  EXPECT_EQ(markers, ConsoleMarkers{});
}

TEST(ConsoleScannerTest, TakesTheKernelsWordsOnlyWithItsStamp) {
  EXPECT_EQ(scan("reboot: System halted\n"), ConsoleMarkers{});
  EXPECT_EQ(scan("[] reboot: System halted\n"), ConsoleMarkers{});
  EXPECT_EQ(scan("System halted\nKernel panic - not syncing: quoted\n"), ConsoleMarkers{});
}

// What goes on has not ended.
TEST(ConsoleScannerTest, TakesAnEndBackWhenMoreIsSaid) {
  const std::string ends =
      "knaller: poweroff\n[ 1.5] Kernel panic - not syncing: x\n[ 1.6] reboot: Power down\n";
  EXPECT_TRUE(scan(ends + "\r\n[ 1.7] Call Trace:\n").halted);
  EXPECT_TRUE(scan(ends + "[ 1.7] Call Trace:\n").poweroff);
  EXPECT_EQ(scan(ends + "[ 1.7] Call Trace:\n").panic_line, "x");
  const ConsoleMarkers after = scan(ends + "login:\n");
  EXPECT_FALSE(after.halted || after.poweroff);
  EXPECT_EQ(after.panic_line, "");
  EXPECT_EQ(after.times_halted, 1u);
}

TEST(ConsoleScannerTest, KnowsAReboot) {
  const ConsoleMarkers markers = scan(
      "[ 1.5] Kernel panic - not syncing: x\n[ 1.6] reboot: Power down\n[ 2.0] reboot: Restarting system\n");
  EXPECT_FALSE(markers.halted);
  EXPECT_EQ(markers.panic_line, "");
  // That is how our images end, too.
  EXPECT_TRUE(scan("knaller: poweroff\n[ 2.0] reboot: Restarting system\n").poweroff);
}

TEST(ConsoleScannerTest, PiecesOfAnySizeGiveTheSame) {
  const std::string text =
      "Linux\r\nknaller: ready\nknaller: poweroff\n[    1.5] Kernel panic - not syncing: VFS: no root\r\n";
  for (size_t size = 1; size < text.size(); ++size) {
    ConsoleScanner scanner;
    for (size_t at = 0; at < text.size(); at += size) scanner.feed(std::string_view(text).substr(at, size));
    EXPECT_EQ(scanner.markers(), scan(text)) << size;
    EXPECT_EQ(scanner.markers().panic_line, "VFS: no root") << size;
  }
}

TEST(ConsoleScannerTest, ReadyNeedsNoNewline) {
  EXPECT_TRUE(scan("knaller: ready").ready);
}

TEST(ConsoleScannerTest, APanicIsReportedOnceWhole) {
  ConsoleScanner scanner;
  scanner.feed("[ 1.0] Kernel panic - not syncing: Attempted to kill");
  EXPECT_EQ(scanner.markers().panic_line, "");
  scanner.feed(" init!\x1b[31m\n[ 1.0] Kernel panic - not syncing: another\n");
  EXPECT_THAT(scanner.markers().panic_line, HasSubstr("Attempted to kill init!"));
  EXPECT_THAT(scanner.markers().panic_line, Not(HasSubstr("\x1b")));
}

TEST(ConsoleScannerTest, EndlessLinesAreNotKept) {
  ConsoleScanner scanner;
  for (int i = 0; i < 1000; ++i) scanner.feed(std::string(1000, 'x'));
  scanner.feed("knaller: ready\n");
  EXPECT_FALSE(scanner.markers().ready);
  scanner.feed("knaller: ready\n");
  EXPECT_TRUE(scanner.markers().ready);
}

TEST(TailTest, KeepsTheLastLinesPrintable) {
  Tail tail;
  for (int i = 0; i < 10'000; ++i) tail.feed("line " + std::to_string(i) + "\n\n");
  tail.feed("bad \x1b[2J\n");
  EXPECT_EQ(tail.lines(2), "line 9999\nbad \\x1b[2J\n");
  EXPECT_EQ(Tail().lines(20), "");
}

EndFacts exited(int code) {
  return {.status = {.signaled = false, .value = code}};
}

TEST(JudgeTest, AnEngineThatEndsWellUnaskedWasRebooted) {
  EXPECT_TRUE(judge(exited(0)).reboot);
}

TEST(JudgeTest, AnAskedEndIsNoReboot) {
  EndFacts facts = exited(0);
  facts.stop_asked = true;
  EXPECT_FALSE(judge(facts).reboot);
  EXPECT_EQ(judge(facts).state, EndState::kStopped);
}

TEST(JudgeTest, APowerOffIsStopped) {
  EndFacts facts = exited(0);
  facts.markers.halted = true;
  EXPECT_EQ(judge(facts).reason, "the guest powered off");
  facts.markers = {.poweroff = true};
  EXPECT_EQ(judge(facts).state, EndState::kStopped);
  EXPECT_EQ(judge(facts).reason, "the guest powered off");
  EXPECT_FALSE(judge(facts).reboot);
  EndFacts still{.status = {.signaled = true, .value = 9}, .stands_still = true};
  EXPECT_EQ(judge(still).state, EndState::kStopped);
  EXPECT_EQ(judge(still).reason, "the guest powered off");
}

TEST(JudgeTest, WordsDoNotExplainAnEngineThatWasKilled) {
  EndFacts facts{.status = {.signaled = true, .value = 9}};
  facts.markers = {.poweroff = true, .halted = true, .panic_line = "quoted"};
  EXPECT_EQ(judge(facts).state, EndState::kCrashed);
  EXPECT_EQ(judge(facts).reason, "the engine was killed by signal 9 (Killed)");
}

TEST(JudgeTest, APanicIsACrashEvenIfItWasBeingStopped) {
  EndFacts facts = exited(0);
  facts.markers.panic_line = "no init";
  facts.stop_asked = true;
  EXPECT_EQ(judge(facts).state, EndState::kCrashed);
  EXPECT_EQ(judge(facts).reason, "kernel panic: no init");
}

TEST(JudgeTest, AGuestThatDoesNotBootTellsWhy) {
  EndFacts facts = exited(0);
  facts.markers = scan(
      "\nknaller: cannot mount /dev/vdb (ext4) on /disk: Invalid argument\n"
      "[ 1.0] Kernel panic - not syncing: Attempted to kill init!\n[ 1.0] Call Trace:\n");
  EXPECT_EQ(judge(facts).state, EndState::kCrashed);
  EXPECT_EQ(judge(facts).reason, "the guest could not mount /dev/vdb (ext4) on /disk: Invalid argument");
  facts.markers = scan("knaller: cannot guess\nlogin:\n[ 1.0] Kernel panic - not syncing: x\n");
  EXPECT_EQ(judge(facts).reason, "kernel panic: x");
}

TEST(JudgeTest, OurOwnKillIsWhatWeKilledItFor) {
  EndFacts facts{.status = {.signaled = true, .value = 9}};
  facts.stop_asked = facts.stop_forced = true;
  facts.killed_for = "by force";
  EXPECT_EQ(judge(facts).state, EndState::kStopped);
  EXPECT_EQ(judge(facts).reason, "by force");
  facts.stop_asked = facts.stop_forced = false;
  EXPECT_EQ(judge(facts).state, EndState::kCrashed);
}

TEST(JudgeTest, AnyOtherEndIsACrash) {
  EXPECT_EQ(judge(exited(1)).state, EndState::kCrashed);
  EXPECT_EQ(judge(exited(1)).reason, "the engine ended with exit code 1");
  const EndFacts killed{.status = {.signaled = true, .value = 9}};
  EXPECT_EQ(judge(killed).state, EndState::kCrashed);
  EXPECT_EQ(judge(killed).reason, "the engine was killed by signal 9 (Killed)");
  EXPECT_FALSE(judge(killed).reboot);
}

TEST(JudgeTest, TellsOfAnEngineThatWasEndedForWantOfMemory) {
  EndFacts facts{.status = {.signaled = true, .value = 9}, .out_of_memory = true};
  EXPECT_EQ(judge(facts).state, EndState::kCrashed);
  EXPECT_EQ(judge(facts).reason, "it used more memory than its limit");
  facts.stop_forced = true;
  facts.killed_for = "it was ended by force";
  EXPECT_EQ(judge(facts).state, EndState::kStopped);
}

}  // namespace
}  // namespace knaller::monitor
