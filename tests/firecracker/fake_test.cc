// The fake engine as an engine: its guest, its files, and everything that a script makes it do wrong, seen
// through the client.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "engine.h"

namespace knaller::test {
namespace {

using firecracker::Client;
using firecracker::Request;
using firecracker::VmState;
using ::testing::EndsWith;
using ::testing::HasSubstr;

const firecracker::Version kVersion{1, 16, 1, {}};
constexpr uint64_t kMemory = 128 << 20;
constexpr size_t kCounterInMemory = (1 << 20) + 64;
constexpr size_t kCounterOnDisk = 4096;

uint64_t number_at(const std::string& bytes, size_t place) {
  uint64_t number = 0;
  std::memcpy(&number, bytes.data() + place, sizeof number);
  return number;
}

// The first 2 MiB of a memory file.
std::string low_memory(const EngineFolder& folder, const std::string& name) {
  const UniqueFd file = open_at(folder.fd(), name, O_RDONLY);
  std::string bytes(2 << 20, '\0');
  EXPECT_EQ(read_up_to(file.get(), bytes.data(), bytes.size(), name), bytes.size());
  return bytes;
}

class FakeTest : public ::testing::Test {
 protected:
  FakeTest() { fill(folder_); }

  static void fill(const EngineFolder& folder) {
    folder.write("vmlinux", tiny_kernel());
    folder.make_sparse("disk.ext4", 1 << 20);
  }

  Engine engine(const std::string& script = "{}") {
    return Engine(KNALLER_FAKE_FIRECRACKER, folder_, {"--script", script});
  }

  static void boot(const Client& client) {
    for (const Request& request : {firecracker::put_boot_source({"vmlinux", std::nullopt, "console=ttyS0"}),
                                   firecracker::put_drive({"disk", "disk.ext4", true, false}),
                                   firecracker::put_machine_config({1, 128}), firecracker::start_instance()})
      client.apply(request, patience());
  }

  // Waits for a text on the console: the file grows, and nothing tells when.
  static bool prints(const Engine& engine, const std::string& text) {
    const Deadline deadline = patience();
    while (engine.console().find(text) == std::string::npos) {
      if (deadline.expired()) return false;
      pause_for(std::chrono::milliseconds(1), deadline);
    }
    return true;
  }

  static Code code_of(const Client& client, const Request& request, std::chrono::milliseconds time) {
    try {
      client.apply(request, Deadline::after(time));
    } catch (const Error& error) {
      return error.code();
    }
    return Code::kInternal;
  }

  EngineFolder folder_;
};

constexpr std::chrono::milliseconds kSoon{200};
constexpr std::chrono::milliseconds kLong{30'000};

TEST_F(FakeTest, ItsGuestBootsAndRestartsOnCtrlAltDel) {
  Engine fake = engine();
  boot(fake.client());
  EXPECT_TRUE(prints(fake, "knaller: ready\n"));
  fake.client().apply(firecracker::send_ctrl_alt_del(), patience());
  const auto status = fake.child().wait(patience());
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->success()) << status->describe();
  EXPECT_THAT(fake.console(), HasSubstr("reboot: Restarting system\n"));
}

TEST_F(FakeTest, APausedGuestReactsWhenItRunsAgain) {
  Engine fake = engine();
  boot(fake.client());
  fake.client().apply(firecracker::set_state(VmState::kPaused), patience());
  fake.client().apply(firecracker::send_ctrl_alt_del(), patience());
  EXPECT_EQ(fake.client().describe(patience()).state, "Paused");
  fake.client().apply(firecracker::set_state(VmState::kResumed), patience());
  EXPECT_TRUE(fake.child().wait(patience()));
}

TEST_F(FakeTest, ItsGuestCanIgnoreCtrlAltDel) {
  Engine fake = engine(R"({"guest":{"on_ctrl_alt_del":"ignore","ready":"up\n"}})");
  boot(fake.client());
  EXPECT_TRUE(prints(fake, "up\n"));
  fake.client().apply(firecracker::send_ctrl_alt_del(), patience());
  EXPECT_FALSE(fake.child().wait(Deadline::after(kSoon)));
  EXPECT_EQ(fake.client().describe(patience()).state, "Running");
}

// What the guest counts is on disk and in memory, of one instant once it is paused, and goes on in the
// restored VM.
TEST_F(FakeTest, ItsSnapshotsHoldWhatItsGuestDid) {
  const std::string script = R"({"guest":{"tick_ms":1}})";
  Engine fake = engine(script);
  boot(fake.client());
  const Deadline deadline = patience();
  while (number_at(folder_.read("disk.ext4"), kCounterOnDisk) < 3 && !deadline.expired())
    pause_for(std::chrono::milliseconds(1), deadline);
  fake.client().apply(firecracker::set_state(VmState::kPaused), patience());
  fake.client().apply(firecracker::create_snapshot({"state", "memory"}, kVersion), patience());
  const uint64_t count = number_at(folder_.read("disk.ext4"), kCounterOnDisk);
  EXPECT_GE(count, 3U);
  const auto memory = stat_if_exists(folder_.fd(), "memory");
  EXPECT_EQ(memory->st_size, static_cast<off_t>(kMemory));
  EXPECT_LT(memory->st_blocks * 512, 4 << 20);  // its kernel has 3 MiB
  const std::string start = low_memory(folder_, "memory");
  EXPECT_EQ(start.substr(0xE0000, 8), "RSD PTR ");
  EXPECT_EQ(start.substr(1 << 20, 18), "knaller fake guest");
  EXPECT_EQ(number_at(start, kCounterInMemory), count);

  const EngineFolder other;
  fill(other);
  for (const char* name : {"state", "memory"}) link_or_copy(folder_.fd(), name, other.fd(), name, patience());
  Engine restored(KNALLER_FAKE_FIRECRACKER, other, {"--script", script});
  restored.client().apply(firecracker::load_snapshot({"state", "memory", true}, kVersion), patience());
  while (number_at(other.read("disk.ext4"), kCounterOnDisk) <= count && !deadline.expired())
    pause_for(std::chrono::milliseconds(1), deadline);
  restored.client().apply(firecracker::set_state(VmState::kPaused), patience());
  restored.client().apply(firecracker::create_snapshot({"state2", "memory2"}, kVersion), patience());
  EXPECT_GT(number_at(other.read("disk.ext4"), kCounterOnDisk), count);
  EXPECT_EQ(number_at(low_memory(other, "memory2"), kCounterInMemory),
            number_at(other.read("disk.ext4"), kCounterOnDisk));
  EXPECT_EQ(number_at(folder_.read("disk.ext4"), kCounterOnDisk), count);
}

TEST_F(FakeTest, LogsWhereItIsTold) {
  Engine fake(KNALLER_FAKE_FIRECRACKER, folder_, {"--log-path", "log", "--level", "Info"});
  EXPECT_THAT(folder_.read("log"), EndsWith("Running Firecracker v1.16.1\n"));
  EXPECT_EQ(fake.console(), "");
}

TEST_F(FakeTest, StartsFromAConfigurationFile) {
  folder_.write("vm.json", R"({"boot-source":{"kernel_image_path":"vmlinux","boot_args":"x"},
    "drives":[{"drive_id":"disk","path_on_host":"disk.ext4","is_root_device":true,"is_read_only":false}],
    "machine-config":{"vcpu_count":2,"mem_size_mib":256},
    "network-interfaces":[{"iface_id":"eth0","host_dev_name":"tap0"}]})");
  Engine fake(KNALLER_FAKE_FIRECRACKER, folder_, {"--config-file", "vm.json"});
  EXPECT_EQ(fake.client().describe(patience()).state, "Running");
  EXPECT_THAT(fake.client().apply(firecracker::get_vm_config(), patience()),
              HasSubstr("\"mem_size_mib\":256"));
}

TEST_F(FakeTest, RefusesAsScripted) {
  Engine fake = engine(R"({"rules":[{"method":"PATCH","path":"/vm","nth":2,"status":400,
                                     "body":"{\"fault_message\":\"not now\"}"}]})");
  boot(fake.client());
  fake.client().apply(firecracker::set_state(VmState::kPaused), patience());
  try {
    fake.client().apply(firecracker::set_state(VmState::kResumed), patience());
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the engine refused PATCH /vm: not now");
  }
  EXPECT_EQ(fake.client().describe(patience()).state, "Paused");
  fake.client().apply(firecracker::set_state(VmState::kResumed), patience());
}

TEST_F(FakeTest, AnswersAfterTheDeadline) {
  Engine fake = engine(R"({"rules":[{"method":"PATCH","path":"/vm","delay_ms":400}]})");
  boot(fake.client());
  const Request pause = firecracker::set_state(VmState::kPaused);
  EXPECT_EQ(code_of(fake.client(), pause, kSoon), Code::kTimeout);
  // It was carried out all the same: only asking tells.
  EXPECT_EQ(fake.client().describe(patience()).state, "Paused");
}

TEST_F(FakeTest, SpoilsItsAnswers) {
  const struct {
    const char* rule;
    Code code;
    std::chrono::milliseconds time;
  } cases[] = {
      {R"("truncate":0)", Code::kEngineDied, kLong},
      {R"("truncate":30)", Code::kEngineDied, kLong},
      {R"("write_short":30)", Code::kTimeout, kSoon},
      {R"("garbage":"SSH-2.0-x\r\n\r\n")", Code::kEngineRefused, kLong},
      {R"("hang":"before")", Code::kTimeout, kSoon},
      {R"("hang":"after")", Code::kTimeout, kSoon},
      {R"("die":"before")", Code::kEngineDied, kLong},
      {R"("die":"unanswered")", Code::kEngineDied, kLong},
      {R"("status":500)", Code::kEngineRefused, kLong},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.rule);
    const EngineFolder folder;
    const std::string script =
        fmt::format(R"({{"rules":[{{"method":"GET","path":"/version",{}}}]}})", each.rule);
    Engine fake(KNALLER_FAKE_FIRECRACKER, folder, {"--script", script});
    EXPECT_EQ(code_of(fake.client(), {"GET", "/version", ""}, each.time), each.code);
  }
}

TEST_F(FakeTest, DiesWhenScripted) {
  Engine fake = engine(R"({"rules":[{"path":"/version","die":"after","exit_code":7}]})");
  fake.client().apply({"GET", "/version", ""}, patience());
  const auto status = fake.child().wait(patience());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->describe(), "exit code 7");
}

TEST_F(FakeTest, DiesWithTheWorkDoneButUnanswered) {
  Engine fake = engine(R"({"rules":[{"path":"/snapshot/create","die":"unanswered"}]})");
  boot(fake.client());
  fake.client().apply(firecracker::set_state(VmState::kPaused), patience());
  EXPECT_EQ(code_of(fake.client(), firecracker::create_snapshot({"state", "memory"}, kVersion), kLong),
            Code::kEngineDied);
  EXPECT_TRUE(fake.child().wait(patience()));
  EXPECT_EQ(stat_if_exists(folder_.fd(), "memory")->st_size, static_cast<off_t>(kMemory));
}

ExitStatus run_fake(const std::vector<std::string>& arguments, std::string* error = nullptr) {
  SpawnOptions options;
  options.argv = {KNALLER_FAKE_FIRECRACKER};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  const ProgramOutput output = run_program(std::move(options), patience());
  if (error != nullptr) *error = output.err;
  return output.status;
}

TEST_F(FakeTest, RefusesItsCommandLineAsFirecrackerDoes) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--nope"},
                                                    {"word"},
                                                    {"--id"},
                                                    {"--id", "a/b"},
                                                    {"--no-api"},
                                                    {"--script", "{\"x\":1}"}})
    EXPECT_EQ(run_fake(arguments).value, 153) << arguments[0];
  folder_.write("api.sock", "");
  std::string error;
  EXPECT_EQ(run_fake({"--api-sock", folder_.path("api.sock")}, &error).value, 1);
  EXPECT_THAT(error, HasSubstr("exists"));
}

TEST_F(FakeTest, TellsItsVersion) {
  EXPECT_EQ(firecracker::query_version(KNALLER_FAKE_FIRECRACKER, patience()), kVersion);
}

}  // namespace
}  // namespace knaller::test
