// The renewal of a clone that has no agent, by SSH. Against real servers.
#include "guest/renew.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "guest/session.h"
#include "guest/test_server.h"

namespace knaller::guest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class RenewTest : public testing::TestWithParam<ServerKind> {
 protected:
  void SetUp() override {
    if (const auto why = why_no_server(GetParam()); !why.empty()) GTEST_SKIP() << why;
    server_.emplace(GetParam());
  }
  Renewal renewed() const {
    auto session = Session::connect(server_->address(), kSoon);
    return renew(run_by_ssh(session, kSoon), {.entropy = std::string(64, '\x01'), .hostname = "web2"});
  }
  // From now on that is what the guest's helper does.
  Renewal renewed_by(const std::string& script) const {
    const std::string helper = server_->folder().path("lib/knaller");
    make_directories(helper, 0755);
    write_file_atomically(AT_FDCWD, helper + "/guest", "#!/bin/sh\n" + script + "\n", Durability::kNoSync);
    ::chmod((helper + "/guest").c_str(), 0755);
    return renewed();
  }

  TestFolder files_;
  std::optional<TestServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Servers, RenewTest, testing::Values(ServerKind::kOpenSsh, ServerKind::kDropbear),
                         [](const auto& kind) {
                           return kind.param == ServerKind::kOpenSsh ? "OpenSsh" : "Dropbear";
                         });

TEST_P(RenewTest, RunsTheGuestsHelper) {
  EXPECT_EQ(renewed().reason, "the guest has no /usr/lib/knaller/guest");
  const std::string asked_file = files_.path("asked");
  EXPECT_TRUE(
      renewed_by("read -r line; echo \"$1 $line\" >" + asked_file + "; echo '{\"v\":1,\"ok\":true}'").ok);
  const std::string asked = read_file(asked_file);
  EXPECT_THAT(asked, StartsWith("renew {\"entropy\":\"AQEB"));
  for (const char* part : {"\"hostname\":\"web2\"", "\"time_ns\":1", "\"v\":1"})
    EXPECT_THAT(asked, HasSubstr(part));
  const auto failed =
      renewed_by("echo '{\"v\":1,\"ok\":false,\"error\":\"no clock\",\"failed\":[\"time\"]}'; exit 1");
  EXPECT_FALSE(failed.ok);
  EXPECT_EQ(failed.reason, "no clock");
  EXPECT_THAT(failed.failed, ElementsAre("time"));
  EXPECT_EQ(renewed_by("echo broken >&2; exit 3").reason, "exit status 3: broken");
}

}  // namespace
}  // namespace knaller::guest
