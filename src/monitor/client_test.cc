#include "monitor/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "base/file.h"
#include "base/socket.h"
#include "base/test_folder.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// What a monitor that gives each request this answer is asked for by a change of egress and limits.
std::vector<std::string> requests_for_both(const std::string& answer) {
  const Deadline deadline = Deadline::after(1min);
  TestFolder folder;
  const UniqueFd listener = listen_unix(folder.fd(), layout::kMonitorSocket);
  std::vector<std::string> requests;
  {
    std::jthread monitor([&] {
      const UniqueFd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      std::string buffer, line;
      while (read_line(connection.get(), buffer, line, 64 << 10, deadline, "the client")) {
        requests.push_back(line);
        send_all(connection.get(), answer, deadline, "the client");
      }
    });
    MonitorClient::connect(folder.fd(), deadline)
        .set({.egress = Egress{}, .limits = LimitsChange{}}, deadline);
  }
  return requests;
}

TEST(MonitorClientTest, AsksForEgressAndLimitsAtOnce) {
  EXPECT_THAT(requests_for_both("{\"v\":1,\"ok\":true}\n"),
              ElementsAre(AllOf(HasSubstr("\"limits\""), HasSubstr("\"egress\""))));
}

}  // namespace
}  // namespace knaller::monitor
