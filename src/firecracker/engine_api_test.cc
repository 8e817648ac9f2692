// What the recordings of the real engine (tests/firecracker) do not reach: PCI, network overrides and limits,
// devices of a started VM, state files, and bodies of any content.
#include "firecracker/engine_api.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "firecracker/engine_options.h"

namespace knaller::firecracker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Does nothing, and remembers what it was told.
class QuietHypervisor : public Hypervisor {
 public:
  void check(const VmSetup& setup) override {
    if (setup.balloon) fail(Code::kUnsupported, "no balloons here");
  }
  void start(const VmSetup&) override { calls.push_back("start"); }
  void pause() override { calls.push_back("pause"); }
  void resume() override { calls.push_back("resume"); }
  void send_ctrl_alt_del() override { calls.push_back("ctrl_alt_del"); }
  void save(const VmSetup&, const SnapshotCreate&) override { calls.push_back("save"); }
  VmSetup load(const LoadRequest& request) override {
    calls.push_back("load");
    return restored_setup(saved, request);
  }
  void change_drive(const DriveSetup& drive, bool new_path) override {
    calls.push_back(fmt::format("drive {} {}", drive.path.value_or(""), new_path));
  }
  void change_network(const NetworkSetup& network) override {
    calls.push_back(fmt::format("network {}", network.rx_rate_limiter->ops->size));
  }

  std::vector<std::string> calls;
  std::string saved;
};

class EngineApiTest : public ::testing::Test {
 protected:
  EngineApiTest() {
    write_file_atomically(folder_.fd(), "vmlinux",
                          "\x7f"
                          "ELF" +
                              std::string(100, '\0'));
    api_.set_logger("/dev/null", "");
    write_file_atomically(folder_.fd(), "disk", "");
    write_file_atomically(folder_.fd(), "other", "");
    write_file_atomically(folder_.fd(), "memory", std::string(1 << 20, 'm'));
  }

  std::string name(const std::string& file) { return folder_.path(file); }
  HttpResponse ask(const std::string& method, const std::string& path, const std::string& body = "") {
    return api_.handle({method, path, body});
  }
  void accept(const std::string& method, const std::string& path, const std::string& body) {
    const HttpResponse response = ask(method, path, body);
    EXPECT_EQ(response.status, 204) << path << ": " << response.body;
  }
  void boot() {
    accept("PUT", "/boot-source", fmt::format(R"({{"kernel_image_path":"{}"}})", name("vmlinux")));
    accept("PUT", "/drives/disk",
           fmt::format(R"({{"drive_id":"disk","path_on_host":"{}","is_root_device":true}})", name("disk")));
    accept("PUT", "/network-interfaces/eth0", R"({"iface_id":"eth0","host_dev_name":"tap0"})");
    accept("PUT", "/machine-config", R"({"vcpu_count":1,"mem_size_mib":1})");
    accept("PUT", "/actions", R"({"action_type":"InstanceStart"})");
  }

  TestFolder folder_;
  QuietHypervisor hypervisor_;
  EngineApi api_{hypervisor_, {"x", {1, 16, 1, {}}, true}};
};

TEST_F(EngineApiTest, PutsTheRootDriveFirst) {
  for (const char* id : {"a", "b", "root"})
    accept("PUT", fmt::format("/drives/{}", id),
           fmt::format(R"({{"drive_id":"{}","path_on_host":"{}","is_root_device":{}}})", id, name("disk"),
                       std::string_view(id) == "root"));
  std::vector<std::string> order;
  for (const DriveSetup& drive : api_.setup().drives) order.push_back(drive.id);
  EXPECT_THAT(order, ElementsAre("root", "a", "b"));
}

TEST_F(EngineApiTest, KeepsNothingThatTheHypervisorRefuses) {
  const HttpResponse response = ask("PUT", "/balloon", R"({"amount_mib":1,"deflate_on_oom":true})");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("no balloons here"));
  EXPECT_FALSE(api_.setup().balloon);
}

TEST_F(EngineApiTest, ChangesDevicesOfAStartedVm) {
  boot();
  accept("PATCH", "/drives/disk", fmt::format(R"({{"drive_id":"disk","path_on_host":"{}"}})", name("other")));
  accept("PATCH", "/drives/disk",
         R"({"drive_id":"disk","rate_limiter":{"ops":{"size":7,"refill_time":100}}})");
  accept("PATCH", "/network-interfaces/eth0",
         R"({"iface_id":"eth0","rx_rate_limiter":{"ops":{"size":9,"refill_time":100}}})");
  EXPECT_THAT(hypervisor_.calls, ElementsAre("start", fmt::format("drive {} true", name("other")),
                                             fmt::format("drive {} false", name("other")), "network 9"));
  EXPECT_EQ(ask("PATCH", "/network-interfaces/eth1", R"({"iface_id":"eth1"})").status, 400);
  EXPECT_THAT(
      ask("PUT", "/drives/new",
          fmt::format(R"({{"drive_id":"new","path_on_host":"{}","is_root_device":false}})", name("disk")))
          .body,
      HasSubstr("cannot be changed on this engine"));
  EXPECT_EQ(ask("DELETE", "/drives/disk").status, 400);
}

TEST_F(EngineApiTest, AsksForAStateOnlyWhenItChanges) {
  boot();
  for (const char* state : {"Resumed", "Paused", "Paused", "Resumed"})
    accept("PATCH", "/vm", fmt::format(R"({{"state":"{}"}})", state));
  EXPECT_THAT(hypervisor_.calls, ElementsAre("start", "pause", "resume"));
}

TEST_F(EngineApiTest, ASetupSurvivesItsStateFile) {
  boot();
  VmSetup setup = api_.setup();
  setup.drives[0].rate_limiter = RateLimiter{TokenBucket{1, 2, 3}, std::nullopt};
  setup.vsock = VsockSetup{4, "v.sock"};
  setup.cpu_template = "T2";
  const VmSetup again = setup_from_json(setup_to_json(setup));
  EXPECT_EQ(setup_to_json(again), setup_to_json(setup));
  EXPECT_EQ(again.drives[0].rate_limiter, setup.drives[0].rate_limiter);
  EXPECT_EQ(again.network[0].host_device, "tap0");
  EXPECT_EQ(again.vsock->guest_cid, 4U);
  for (const char* damaged : {"", "{}", "[]", "null", R"({"format":2})", R"({"format":1,"boot-source":3})"})
    EXPECT_EQ(code_thrown_by([&] { setup_from_json(damaged); }), Code::kCorrupt) << damaged;
}

TEST_F(EngineApiTest, LoadsWithOverrides) {
  boot();
  hypervisor_.saved = setup_to_json(api_.setup());
  EngineApi other(hypervisor_, {"y", {1, 16, 1, {}}, false});
  const HttpResponse response = other.handle(
      {"PUT", "/snapshot/load",
       fmt::format(
           R"({{"snapshot_path":"x","mem_backend":{{"backend_type":"File","backend_path":"{}"}},"resume_vm":true,
                       "network_overrides":[{{"iface_id":"eth0","host_dev_name":"tap9"}}]}})",
           name("memory"))});
  EXPECT_EQ(response.status, 204) << response.body;
  EXPECT_EQ(other.setup().network[0].host_device, "tap9");
  EXPECT_EQ(other.state(), "Running");
  EXPECT_EQ(hypervisor_.calls.back(), "resume");
}

TEST_F(EngineApiTest, AFailedLoadIsTheLastAnswer) {
  hypervisor_.saved = "nonsense";
  const HttpResponse response = ask("PUT", "/snapshot/load", R"({"snapshot_path":"x","mem_file_path":"y"})");
  EXPECT_EQ(response.status, 400);
  EXPECT_TRUE(response.last);
  EXPECT_TRUE(api_.load_failed());
}

TEST_F(EngineApiTest, RefusesConfigurationFilesThatAreNone) {
  for (const char* text : {"", "[]", "{", R"({"drives":3})", R"({"drives":[3]})", R"({"drives":[{}]})",
                           R"({"nope":{}})", R"({"boot-source":{"kernel_image_path":"/nonexistent"}})", "{}"})
    EXPECT_EQ(code_thrown_by([&] { api_.apply_config_file(text); }), Code::kInvalidArgument) << text;
}

// Bodies with a few bytes changed: every one is answered, whatever it has become.
TEST_F(EngineApiTest, AnyBodyIsAnswered) {
  std::mt19937 random(1);
  const std::pair<std::string, std::string> good[] = {
      {"/machine-config", R"({"vcpu_count":1,"mem_size_mib":128,"smt":false,"huge_pages":"None"})"},
      {"/boot-source", R"({"kernel_image_path":"vmlinux","initrd_path":null,"boot_args":"x"})"},
      {"/drives/d",
       R"({"drive_id":"d","path_on_host":"x","is_root_device":true,"rate_limiter":{"ops":{"size":1,"refill_time":2}}})"},
      {"/network-interfaces/e", R"({"iface_id":"e","host_dev_name":"t","guest_mac":"06:00:00:00:00:01"})"},
      {"/snapshot/load",
       R"({"snapshot_path":"s","mem_backend":{"backend_type":"File","backend_path":"m"},"network_overrides":[{"iface_id":"e","host_dev_name":"t"}]})"},
      {"/vsock", R"({"guest_cid":3,"uds_path":"v"})"},
      {"/balloon", R"({"amount_mib":0,"deflate_on_oom":true,"stats_polling_interval_s":1})"},
      {"/actions", R"({"action_type":"FlushMetrics"})"},
  };
  const std::string bytes = "{}[]\",:0123456789-.etrufalsn\\\xff ";
  for (int i = 0; i < 5'000; ++i) {
    auto [path, body] = good[random() % std::size(good)];
    for (auto changes = random() % 5; changes > 0; --changes) {
      const char byte = bytes[random() % bytes.size()];
      const size_t place = random() % body.size();
      if (random() % 2 == 0)
        body[place] = byte;
      else
        body.insert(place, 1, byte);
    }
    const HttpResponse response = ask("PUT", path, body);
    EXPECT_TRUE(response.status == 204 || response.status == 400) << body;
  }
}

TEST(EngineOptions, AreFirecrackers) {
  const EngineOptions options =
      parse_engine_options({"--api-sock", "a.sock", "--id", "web-1", "--enable-pci", "--no-seccomp",
                            "--log-path", "log", "--level", "Info", "--start-time-us", "5", "--mine", "x"},
                           {"mine"});
  EXPECT_EQ(options.api_sock, "a.sock");
  EXPECT_EQ(options.id, "web-1");
  EXPECT_TRUE(options.enable_pci);
  EXPECT_EQ(options.log_path, "log");
  EXPECT_EQ(options.own.at("mine"), "x");
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--mine", "x"},
                                                {"--id"},
                                                {"--id", ""},
                                                {"--id", "a b"},
                                                {"-v"},
                                                {"--"},
                                                {"x"},
                                                {"--no-api"}})
    EXPECT_EQ(code_thrown_by([&] { parse_engine_options(wrong); }), Code::kInvalidArgument) << wrong[0];
}

}  // namespace
}  // namespace knaller::firecracker
