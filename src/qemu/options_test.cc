#include "qemu/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace knaller::qemu {
namespace {

std::string refusal(const std::vector<std::string>& arguments) {
  try {
    parse_options(arguments);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    return error.message();
  }
  return "";
}

TEST(Options, TakesWhatFirecrackerTakes) {
  const auto options =
      parse_options({"--api-sock", "a.sock", "--id", "web-1", "--log-path", "log", "--level", "Debug",
                     "--enable-pci", "--seccomp-filter", "f", "--start-time-us", "12"});
  EXPECT_EQ(options.api_socket, "a.sock");
  EXPECT_EQ(options.id, "web-1");
  EXPECT_EQ(options.log_path, "log");
  EXPECT_EQ(options.level, "Debug");
  EXPECT_TRUE(options.enable_pci);
  EXPECT_FALSE(options.accelerator);
}

TEST(Options, OfItsOwn) {
  const auto options = parse_options({"--accel", "tcg", "--qemu-binary", "/opt/qemu"});
  EXPECT_EQ(options.accelerator, Accelerator::kTcg);
  EXPECT_EQ(options.qemu_binary, "/opt/qemu");
  EXPECT_FALSE(parse_options({"--accel", "auto"}).accelerator);
  EXPECT_NE(refusal({"--accel", "hvf"}), "");
}

TEST(Options, RefusesAsFirecrackerDoes) {
  EXPECT_EQ(refusal({"--bogus"}),
            "Found argument 'bogus' which wasn't expected, or isn't valid in this context.");
  EXPECT_EQ(refusal({"bogus"}),
            "Found argument 'bogus' which wasn't expected, or isn't valid in this context.");
  EXPECT_EQ(refusal({"--id"}), "The argument 'id' requires a value, but none was supplied.");
  EXPECT_EQ(refusal({"--id", "a", "--id", "b"}), "The argument 'id' was provided more than once.");
  EXPECT_EQ(refusal({"--no-api"}), "Argument 'config-file' required, but not found.");
  EXPECT_NE(refusal({"--no-api", "--config-file", "c", "--api-sock", "a"}), "");
  EXPECT_NE(refusal({"--id", "a/b"}), "");
  EXPECT_NE(refusal({"--id", std::string(65, 'a')}), "");
  EXPECT_NE(refusal({"--metadata", "m.json"}), "");
}

TEST(Options, AreAllExplained) {
  EXPECT_THAT(help_text(), ::testing::HasSubstr("--api-sock <api-sock>"));
  EXPECT_THAT(help_text(), ::testing::HasSubstr("--qemu-binary <qemu-binary>"));
}

}  // namespace
}  // namespace knaller::qemu
