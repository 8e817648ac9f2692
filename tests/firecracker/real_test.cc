// Every Firecracker on PATH, driven through what knaller does with one. Guests need not run: the API answers
// on any machine whose /dev/kvm opens.
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "engine.h"
#include "transcript.h"

namespace knaller::test {
namespace {

using firecracker::Client;
using firecracker::Version;
using ::testing::HasSubstr;

// "firecracker" and "firecracker-1.2.3" in the folders of PATH: name and full path. The first folder wins, as
// for a shell.
std::map<std::string, std::string> firecrackers_on_path() {
  std::map<std::string, std::string> found;
  const char* variable = std::getenv("PATH");
  const std::string path = variable != nullptr ? variable : "";
  for (const std::string_view folder : split(path, ':')) {
    if (folder.empty() || !exists(std::string(folder))) continue;
    for (const std::string& name : list_directory(open_directory(std::string(folder)).get())) {
      const std::string full = fmt::format("{}/{}", folder, name);
      const bool versioned =
          name.starts_with("firecracker-") && name.find_first_not_of("0123456789.", 12) == std::string::npos;
      if ((name == "firecracker" || versioned) && ::access(full.c_str(), X_OK) == 0)
        found.emplace(name, full);
    }
  }
  return found;
}

std::string reason_to_skip() {
  if (firecrackers_on_path().empty()) return "no firecracker on PATH";
  if (::access("/dev/kvm", R_OK | W_OK) != 0) return "/dev/kvm does not open";
  return {};
}

void fill(const EngineFolder& folder) {
  folder.write("vmlinux", tiny_kernel());
  folder.make_sparse("disk.ext4", 16 << 20);
  folder.make_sparse("other.ext4", 16 << 20);
  make_directories(folder.path("adir"));
}

void boot(const Client& client) {
  for (const auto& request :
       {firecracker::put_boot_source({"vmlinux", std::nullopt, "console=ttyS0 reboot=k panic=-1"}),
        firecracker::put_drive({"rootfs", "disk.ext4", true, false}),
        firecracker::put_machine_config({1, 128}), firecracker::start_instance()})
    client.apply(request, patience());
}

void set_state(const Client& client, firecracker::VmState state) {
  client.apply(firecracker::set_state(state), patience());
}

std::string refusal(const Client& client, const firecracker::Request& request) {
  try {
    client.apply(request, patience());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kEngineRefused) << error.what();
    return error.what();
  }
  return "";
}

void check_version(const std::string& name, const Version& version) {
  if (name != "firecracker") {
    EXPECT_EQ("firecracker-" + version.text(), name);
  }
}

// Both kinds of snapshot of a paused VM; the state-only one is a refusal that leaves a complete state.
void take_snapshots(const Client& client, const EngineFolder& folder, const Version& version) {
  client.apply(firecracker::create_snapshot({"state", "memory"}, version), patience());
  EXPECT_EQ(stat_if_exists(folder.fd(), "memory")->st_size, 128 << 20);
  EXPECT_THAT(
      refusal(client, firecracker::create_snapshot({"state2", "adir"}, version)),
      HasSubstr(
          "the engine refused PUT /snapshot/create: Create snapshot error: Cannot perform open on the memory "
          "backing file: Is a directory (os error 21)"));
  EXPECT_GT(stat_if_exists(folder.fd(), "state2")->st_size, 1000);
  EXPECT_EQ(client.describe(patience()).state, "Paused");
}

void restore_elsewhere(const std::string& binary, const EngineFolder& from, const std::string& state,
                       const Version& version) {
  const EngineFolder folder;
  fill(folder);
  link_or_copy(from.fd(), state, folder.fd(), "state", patience());
  link_or_copy(from.fd(), "memory", folder.fd(), "memory", patience());
  Engine engine(binary, folder);
  firecracker::SnapshotLoad load{"state", "memory", true};
  engine.client().apply(firecracker::load_snapshot(load, version), patience());
  EXPECT_EQ(engine.client().describe(patience()).state, "Running");
  set_state(engine.client(), firecracker::VmState::kPaused);
  engine.client().apply(firecracker::create_snapshot({"again", "memory-again"}, version), patience());
}

void drive(const std::string& name, const std::string& binary) {
  const Version version = firecracker::query_version(binary, patience());
  check_version(name, version);
  const EngineFolder folder;
  fill(folder);
  Engine engine(binary, folder, {"--id", "knaller-test"});
  const Client& client = engine.client();
  const auto before = client.describe(patience());
  EXPECT_EQ(before.id, "knaller-test");
  EXPECT_EQ(before.state, "Not started");
  EXPECT_EQ(before.version, version);
  EXPECT_THAT(refusal(client, firecracker::put_drive({"x", "missing", false, false})),
              HasSubstr("Drive config error: "));
  boot(client);
  EXPECT_EQ(client.describe(patience()).state, "Running");
  client.apply(firecracker::patch_drive({"rootfs", "other.ext4", std::nullopt}), patience());
  client.apply(
      firecracker::patch_drive({"rootfs", "disk.ext4", firecracker::RateLimiter{{{1 << 20, {}, 100}}, {}}}),
      patience());
  EXPECT_THAT(client.apply(firecracker::get_vm_config(), patience()), HasSubstr("\"vmlinux\""));
  set_state(client, firecracker::VmState::kPaused);
  take_snapshots(client, folder, version);
  set_state(client, firecracker::VmState::kResumed);
  restore_elsewhere(binary, folder, "state", version);
  restore_elsewhere(binary, folder, "state2", version);
}

TEST(RealFirecracker, BootsPausesSnapshotsAndRestores) {
  if (const std::string reason = reason_to_skip(); !reason.empty()) GTEST_SKIP() << reason;
  for (const auto& [name, binary] : firecrackers_on_path()) {
    SCOPED_TRACE(name);
    try {
      drive(name, binary);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

// A load that fails ends the engine, and the client says which of both happened.
TEST(RealFirecracker, EndsAfterAFailedLoad) {
  if (const std::string reason = reason_to_skip(); !reason.empty()) GTEST_SKIP() << reason;
  for (const auto& [name, binary] : firecrackers_on_path()) {
    SCOPED_TRACE(name);
    const EngineFolder folder;
    Engine engine(binary, folder);
    EXPECT_THAT(refusal(engine.client(), firecracker::load_snapshot({"missing", "missing"}, {1, 7, 0, {}})),
                HasSubstr("Load snapshot error: Failed to restore from snapshot"));
    const auto status = engine.child().wait(patience());
    ASSERT_TRUE(status);
    EXPECT_EQ(status->describe(), "exit code 1");
    try {
      engine.client().describe(patience());
      ADD_FAILURE() << "an ended engine answered";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kEngineDied);
    }
  }
}

// The recording is what the real one says today: the fake that is held against it is no invention.
TEST(RealFirecracker, AnswersAsRecorded) {
  if (const std::string reason = reason_to_skip(); !reason.empty()) GTEST_SKIP() << reason;
  const std::string data = KNALLER_TEST_DATA "/firecracker";
  for (const auto& [name, binary] : firecrackers_on_path()) {
    Subject subject;
    subject.binary = binary;
    subject.version = firecracker::query_version(binary, patience()).text();
    subject.kernel = tiny_kernel();
    if (!exists(fmt::format("{}/{}.jsonl", data, subject.version))) continue;
    // Firecracker would make a TAP here, in the network that this test runs in. And clock_realtime needs a
    // state that was saved while the host's clock source was the TSC, which comes and goes on a virtual host.
    const auto left_out = [](const Exchange& each) {
      const bool makes_tap = each.request.path.starts_with("/network-interfaces/") && each.status == 204;
      return makes_tap || each.scenario == "load_clock";
    };
    for (const Difference& difference : replay(load_transcript(data, subject.version), subject, left_out))
      ADD_FAILURE() << name << " line " << difference.number << ": " << difference.what;
  }
}

}  // namespace
}  // namespace knaller::test
