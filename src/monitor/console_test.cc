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
  EXPECT_TRUE(scan("[   12.345678] reboot: Power down\n").power_down);
  EXPECT_TRUE(scan("[   12.345678][    T1] reboot: Power down\n").power_down);
  EXPECT_TRUE(scan("reboot: System halted\n").power_down);
  EXPECT_TRUE(scan("System halted\n").power_down);
}

TEST(ConsoleScannerTest, PassesOverThemElsewhereInALine) {
  const ConsoleMarkers markers = scan(
      "echo knaller: ready\n$ knaller: poweroff?\nsaid reboot: Power down\n[info] System halted\n<Kernel "
      "panic - not syncing: x\n");
  EXPECT_FALSE(markers.ready);
  EXPECT_FALSE(markers.poweroff);
  EXPECT_FALSE(markers.power_down);
  EXPECT_FALSE(markers.panic);
}

TEST(ConsoleScannerTest, PiecesOfAnySizeGiveTheSame) {
  const std::string text =
      "Linux\r\n[    1.5] Kernel panic - not syncing: VFS: no root\r\nknaller: ready\nknaller: poweroff\n";
  for (size_t size = 1; size < text.size(); ++size) {
    ConsoleScanner scanner;
    for (size_t at = 0; at < text.size(); at += size) scanner.feed(std::string_view(text).substr(at, size));
    EXPECT_TRUE(scanner.markers().ready) << size;
    EXPECT_TRUE(scanner.markers().poweroff) << size;
    EXPECT_EQ(scanner.markers().panic_line, "VFS: no root") << size;
  }
}

TEST(ConsoleScannerTest, AMarkerNeedsNoNewline) {
  EXPECT_TRUE(scan("knaller: ready").ready);
  EXPECT_TRUE(scan("[ 9.0] reboot: Power down").power_down);
}

TEST(ConsoleScannerTest, APanicIsReportedOnceWhole) {
  ConsoleScanner scanner;
  scanner.feed("Kernel panic - not syncing: Attempted to kill");
  EXPECT_FALSE(scanner.markers().panic);
  scanner.feed(" init!\x1b[31m\nKernel panic - not syncing: another\n");
  EXPECT_TRUE(scanner.markers().panic);
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
  EXPECT_EQ(judge(facts).state, "stopped");
}

TEST(JudgeTest, APowerOffIsStoppedHoweverTheEngineEnded) {
  for (const bool killed : {false, true}) {
    EndFacts facts{.status = {.signaled = killed, .value = killed ? 9 : 0}};
    facts.markers.power_down = true;
    EXPECT_EQ(judge(facts).state, "stopped");
    EXPECT_FALSE(judge(facts).reboot);
  }
  EndFacts facts = exited(0);
  facts.markers.poweroff = true;
  EXPECT_EQ(judge(facts).state, "stopped");
  EXPECT_FALSE(judge(facts).reboot);
}

TEST(JudgeTest, APanicIsACrashEvenIfItWasBeingStopped) {
  EndFacts facts = exited(0);
  facts.markers.panic = true;
  facts.markers.panic_line = "no init";
  facts.stop_asked = true;
  EXPECT_EQ(judge(facts).state, "crashed");
  EXPECT_EQ(judge(facts).reason, "kernel panic: no init");
}

TEST(JudgeTest, OurOwnKillIsWhatWeKilledItFor) {
  EndFacts facts{.status = {.signaled = true, .value = 9}};
  facts.stop_asked = facts.stop_forced = true;
  facts.killed_for = "by force";
  EXPECT_EQ(judge(facts).state, "stopped");
  EXPECT_EQ(judge(facts).reason, "by force");
  facts.stop_asked = facts.stop_forced = false;
  EXPECT_EQ(judge(facts).state, "crashed");
}

TEST(JudgeTest, AnyOtherEndIsACrash) {
  EXPECT_EQ(judge(exited(1)).state, "crashed");
  EXPECT_EQ(judge(exited(1)).reason, "the engine ended with exit code 1");
  const EndFacts killed{.status = {.signaled = true, .value = 9}};
  EXPECT_EQ(judge(killed).state, "crashed");
  EXPECT_EQ(judge(killed).reason, "the engine was killed by signal 9 (Killed)");
  EXPECT_FALSE(judge(killed).reboot);
}

}  // namespace
}  // namespace knaller::monitor
