#include "base/tsc.h"

#include <gtest/gtest.h>

namespace knaller {
namespace {

TEST(TscMeter, MeasuresTheSameTwice) {
  const auto first = static_cast<double>(TscMeter().khz());
  const auto second = static_cast<double>(TscMeter().khz());
  EXPECT_GT(first, 100'000);
  EXPECT_NEAR(first / second, 1.0, 0.001);
}

}  // namespace
}  // namespace knaller
