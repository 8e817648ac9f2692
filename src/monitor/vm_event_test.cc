#include "monitor/vm_event.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace knaller::monitor {
namespace {

const SystemTime kAt = *parse_time("2026-11-23T09:26:15.201145921Z");

VmEventKind kind_of(const std::string& line) {
  const auto event = parse_event_line(line);
  return event ? event->kind : VmEventKind::kRemoved;
}

TEST(VmEvent, ComesBackAsItWasWritten) {
  for (int number = 0; number <= static_cast<int>(VmEventKind::kOther); ++number) {
    const auto kind = static_cast<VmEventKind>(number);
    const std::string line = event_line(kind, "say \"when\"\n\x1b[2J", kAt);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto event = parse_event_line(line);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->at, kAt);
    EXPECT_EQ(event->text, "say \"when\"\n\x1b[2J");
    const bool seen_by_readers =
        kind == VmEventKind::kCreated || kind == VmEventKind::kReplaced || kind == VmEventKind::kRemoved;
    EXPECT_EQ(event->kind, seen_by_readers ? VmEventKind::kOther : kind) << line;
  }
}

TEST(VmEvent, HasTheKindOfALineThatWasWrittenBeforeThereWereKinds) {
  const auto old = [](const std::string& text) {
    return kind_of(R"({"at":"2026-11-23T09:26:15Z","event":")" + text + R"("})");
  };
  EXPECT_EQ(old("started"), VmEventKind::kStarted);
  EXPECT_EQ(old("the guest rebooted; starting it again"), VmEventKind::kRebooted);
  EXPECT_EQ(old("where the guest may connect to was changed"), VmEventKind::kChanged);
  EXPECT_EQ(old("stopped: the guest powered off"), VmEventKind::kStopped);
  EXPECT_EQ(old("crashed: the engine died"), VmEventKind::kCrashed);
  EXPECT_EQ(old("the guest's console says that it has halted, but it runs"), VmEventKind::kWarning);
}

TEST(VmEvent, OfAKindThatIsNotKnownIsOther) {
  EXPECT_EQ(kind_of(R"({"at":"2026-11-23T09:26:15Z","event":"x","kind":"levitated"})"), VmEventKind::kOther);
}

TEST(VmEvent, IsNothingElse) {
  for (const char* line :
       {"", "{", "[]", "7", "{}", R"({"at":"noon","event":"x"})", R"({"at":1,"event":"x"})",
        R"({"at":"2026-11-23T09:26:15Z"})", R"({"at":"2026-11-23T09:26:15Z","event":1})",
        R"({"at":"2026-11-23T09:26:15Z","event":"x","kind":1})",
        R"({"at":"2026-11-23T09:2{"at":"2026-11-23T09:26:15Z","event":"x"})"})
    EXPECT_FALSE(parse_event_line(line)) << line;
}

}  // namespace
}  // namespace knaller::monitor
