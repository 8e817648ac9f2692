#include "vm/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process.h"

namespace knaller::vm {
namespace {

using testing::HasSubstr;

// What the shell hands to `tee`, which is where root would begin.
std::string profile_of(const std::string& monitor) {
  std::string command = apparmor_remedy(monitor);
  const size_t pipe = command.find(" | sudo tee ");
  if (pipe == std::string::npos) return "it writes no file: " + command;
  command.resize(pipe);
  const Deadline deadline = Deadline::after(std::chrono::seconds(10));
  return run_program({.argv = {"/bin/sh", "-c", command}}, deadline).out;
}

TEST(AppArmorRemedy, IsAProfileForTheMonitorAlone) {
  EXPECT_EQ(
      profile_of("/usr/libexec/knaller/knaller-monitor"),
      "abi <abi/4.0>,\n"
      "profile knaller-monitor \"/usr/libexec/knaller/knaller-monitor\" flags=(unconfined) { userns, }\n");
}

TEST(AppArmorRemedy, LoadsWhatItWrites) {
  EXPECT_THAT(apparmor_remedy("/m"), HasSubstr("sudo tee /etc/apparmor.d/knaller-monitor && "
                                               "sudo apparmor_parser -r /etc/apparmor.d/knaller-monitor"));
}

// A profile's path is a pattern, and the remedy goes through a shell.
TEST(AppArmorRemedy, TakesThePathLiterally) {
  EXPECT_THAT(profile_of("/home/me/a 'b' $(c)/*{x}/m"), HasSubstr("\"/home/me/a 'b' $(c)/\\*\\{x\\}/m\""));
}

}  // namespace
}  // namespace knaller::vm
