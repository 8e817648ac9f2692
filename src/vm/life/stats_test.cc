#include "vm/life/stats.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "knaller/manager.h"

namespace knaller::vm {
namespace {

using namespace std::chrono_literals;

// The longest interval is no time that has long been over.
TEST(Stats, ComeOnceWhereTheIntervalNeverEnds) {
  const TestFolder folder;
  make_directories(folder.path("libexec"));
  write_file_atomically(AT_FDCWD, folder.path("libexec/knaller-monitor"), "", Durability::kNoSync);
  ASSERT_EQ(::chmod(folder.path("libexec/knaller-monitor").c_str(), 0755), 0);
  Manager manager({.home = folder.path("home"), .libexec = folder.path("libexec")});
  std::stop_source stop;
  int samples = 0;
  std::jthread stopper;
  const auto take = [&](const std::vector<VmStats>&) {
    if (++samples == 1)
      stopper = std::jthread([&stop] {
        std::this_thread::sleep_for(50ms);
        stop.request_stop();
      });
    if (samples == 100) stop.request_stop();
  };
  EXPECT_EQ(code_thrown_by([&] {
              manager.stats(
                  {.stream = true, .interval = std::chrono::milliseconds::max(), .stop = stop.get_token()},
                  take);
            }),
            Code::kCancelled);
  EXPECT_EQ(samples, 1);
}

}  // namespace
}  // namespace knaller::vm
