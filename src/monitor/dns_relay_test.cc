#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>

#include "base/socket.h"
#include "base/test_folder.h"
#include "monitor/dns_relay.h"

namespace knaller::monitor {
namespace {

using namespace std::chrono_literals;

// What a loop uses of its processor in `time`.
std::chrono::milliseconds work_of(Loop& loop, std::chrono::milliseconds time) {
  const Loop::Timer end = loop.after(time, [&] { loop.stop(); });
  timespec before{}, after{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  loop.run();
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  return std::chrono::milliseconds((after.tv_sec - before.tv_sec) * 1000 +
                                   (after.tv_nsec - before.tv_nsec) / 1'000'000);
}

TEST(TcpNamesTest, RestWhenThereIsNoDescriptorForAConnection) {
  const TestFolder folder;
  Loop loop;
  net::NameServers servers;
  TcpNames names(loop, servers, listen_unix(folder.fd(), "names"));
  const UniqueFd guest = connect_unix(folder.fd(), "names", Deadline::after(20s));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = UniqueFd(::dup(guest.get())).get();
  const rlimit none = {static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto work = work_of(loop, 400ms);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(work, 50ms);
}

}  // namespace
}  // namespace knaller::monitor
