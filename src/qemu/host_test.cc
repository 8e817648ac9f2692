#include "qemu/host.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <regex>

#include "base/error.h"

namespace knaller::qemu {
namespace {

TEST(RandomMac, IsUnicastAndLocallyAdministered) {
  const std::string mac = random_mac();
  EXPECT_TRUE(std::regex_match(mac, std::regex("([0-9a-f]{2}:){5}[0-9a-f]{2}"))) << mac;
  EXPECT_EQ(std::stoi(mac.substr(0, 2), nullptr, 16) & 3, 2);
  EXPECT_NE(mac, random_mac());
}

TEST(OpenTap, RefusesNamesThatAreNone) {
  EXPECT_THROW(open_tap(""), Error);
  EXPECT_THROW(open_tap("sixteen-letters-"), Error);
}

}  // namespace
}  // namespace knaller::qemu
