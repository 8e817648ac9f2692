// The fake engine against what the real ones answered.
#include <gtest/gtest.h>

#include "engine.h"
#include "transcript.h"

namespace knaller::test {
namespace {

class FakeReplayTest : public ::testing::TestWithParam<const char*> {};

TEST_P(FakeReplayTest, AnswersAsRecorded) {
  const std::string version = GetParam();
  const auto transcript = load_transcript(KNALLER_TEST_DATA "/firecracker", version);
  ASSERT_EQ(transcript.size(), 235U);
  Subject subject;
  subject.binary = KNALLER_FAKE_FIRECRACKER;
  subject.arguments = {"--script", "{\"version\":\"" + version + "\"}"};
  subject.version = version;
  subject.kernel = tiny_kernel();
  // The fake has the words of 1.16 and later, and the rules of all.
  subject.compare_messages = version.starts_with("1.16") || version.starts_with("1.17");
  for (const Difference& difference : replay(transcript, subject))
    ADD_FAILURE() << version << " line " << difference.number << ": " << difference.what;
}

INSTANTIATE_TEST_SUITE_P(Versions, FakeReplayTest,
                         ::testing::Values("1.7.0", "1.10.1", "1.13.2", "1.16.1", "1.17.0-dev"));

TEST(StablePart, LeavesOutPositionsAndAlternatives) {
  EXPECT_EQ(
      stable_part("An error occurred when deserializing the json body of a request: unknown field `foo`, "
                  "expected one of `a`, `b` at line 1 column 9."),
      "An error occurred when deserializing the json body of a request: unknown field `foo`");
  EXPECT_EQ(stable_part("Empty PUT request."), "Empty PUT request");
}

}  // namespace
}  // namespace knaller::test
