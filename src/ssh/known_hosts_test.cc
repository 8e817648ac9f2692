#include "ssh/known_hosts.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/test_folder.h"

namespace knaller::ssh {
namespace {

TEST(KnownHosts, TakesOnlyKeysFromAGuest) {
  EXPECT_EQ(known_hosts_of("web", "ssh-ed25519 AAA+/=\n\nssh-rsa BBBB\n"),
            "web ssh-ed25519 AAA+/=\nweb ssh-rsa BBBB\n");
  EXPECT_EQ(known_hosts_of("web", ""), "");
  for (const std::string& line : std::vector<std::string>{
           "ssh-ed25519", "ssh-ed25519 AAAA comment", "@cert-authority AAAA", "ssh-rsa AA\tAA",
           "ssh-rsa AA\rAA", "ssh-rsa ", " AAAA", "x y z", "ssh-rsa \x1b[31m"})
    EXPECT_EQ(code_thrown_by([&] { known_hosts_of("web", "ssh-ed25519 AAAA\n" + line); }), Code::kCorrupt)
        << line;
  std::string many;
  for (int i = 0; i < 17; ++i) many += "ssh-rsa AAAA\n";
  EXPECT_EQ(code_thrown_by([&] { known_hosts_of("web", many); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { known_hosts_of("web", "ssh-rsa " + std::string(9000, 'A')); }),
            Code::kCorrupt);
}

}  // namespace
}  // namespace knaller::ssh
