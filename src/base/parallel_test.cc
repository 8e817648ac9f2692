#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "base/error.h"

namespace knaller {
namespace {

TEST(Parallel, DoesEveryPieceOnce) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{1000}}) {
    std::vector<std::atomic<int>> done(count);
    for_each_in_parallel(count, [&](size_t at) { ++done[at]; });
    for (const auto& times : done) EXPECT_EQ(times, 1);
  }
}

TEST(Parallel, AFailureEndsTheRestAndIsTheCallers) {
  std::atomic<size_t> begun = 0;
  EXPECT_THROW(for_each_in_parallel(1'000'000,
                                    [&](size_t at) {
                                      ++begun;
                                      if (at == 10) fail(Code::kIo, "piece {}", at);
                                    }),
               Error);
  EXPECT_LT(begun, 1'000'000u);
}

TEST(Parallel, WhatIsBegunBesideGivesItsResultOrWhatItThrew) {
  std::promise<void> go;
  auto seven = begin_beside([&, ready = go.get_future().share()] {
    ready.get();
    return 7;
  });
  auto broken = begin_beside([] { fail(Code::kIo, "it broke"); });
  go.set_value();  // only reached when the first does not keep the caller
  EXPECT_EQ(seven.get(), 7);
  EXPECT_THROW(broken.get(), Error);
}

}  // namespace
}  // namespace knaller
