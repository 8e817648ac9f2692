#include "firecracker/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace knaller::firecracker {
namespace {

using ::testing::HasSubstr;

const Version kOld = parse_version("1.7.0");
const Version kNew = parse_version("1.17.0-dev");

void expect_request(const Request& request, const std::string& name, const std::string& body) {
  EXPECT_EQ(request.name(), name);
  if (body.empty()) {
    EXPECT_EQ(request.body, "");
  } else {
    EXPECT_EQ(Json::parse(request.body), Json::parse(body)) << request.body;
  }
}

template <typename Build>
Code code_of(Build&& build) {
  try {
    build();
  } catch (const Error& error) {
    return error.code();
  }
  return Code::kInternal;
}

TEST(Request, BootSource) {
  expect_request(put_boot_source({"vmlinux", std::nullopt, "console=ttyS0"}), "PUT /boot-source",
                 R"({"kernel_image_path":"vmlinux","boot_args":"console=ttyS0"})");
  expect_request(put_boot_source({"vmlinux", "initramfs", ""}), "PUT /boot-source",
                 R"({"kernel_image_path":"vmlinux","initrd_path":"initramfs","boot_args":""})");
  EXPECT_EQ(code_of([] {
              put_boot_source({"vmlinux", std::nullopt, std::string(2048, 'x')});
            }),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of([] { put_boot_source({"", std::nullopt, ""}); }), Code::kInvalidArgument);
}

TEST(Request, MachineConfig) {
  expect_request(put_machine_config({2, 512, false}), "PUT /machine-config",
                 R"({"vcpu_count":2,"mem_size_mib":512})");
  expect_request(put_machine_config({2, 512, true}), "PUT /machine-config",
                 R"({"vcpu_count":2,"mem_size_mib":512,"track_dirty_pages":true})");
  EXPECT_EQ(code_of([] { put_machine_config({0, 512}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([] { put_machine_config({33, 512}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([] { put_machine_config({1, 0}); }), Code::kInvalidArgument);
}

TEST(Request, Drives) {
  expect_request(
      put_drive({"disk", "disk.ext4", false, true}), "PUT /drives/disk",
      R"({"drive_id":"disk","path_on_host":"disk.ext4","is_root_device":false,"is_read_only":true})");
  expect_request(put_drive({"disk", "d", true, false, RateLimiter{TokenBucket{1000, 5, 100}, std::nullopt}}),
                 "PUT /drives/disk",
                 R"({"drive_id":"disk","path_on_host":"d","is_root_device":true,"is_read_only":false,
                     "rate_limiter":{"bandwidth":{"size":1000,"one_time_burst":5,"refill_time":100}}})");
  expect_request(patch_drive({"disk", "other", std::nullopt}), "PATCH /drives/disk",
                 R"({"drive_id":"disk","path_on_host":"other"})");
  expect_request(
      patch_drive({"disk", std::nullopt, RateLimiter{std::nullopt, TokenBucket{10, std::nullopt, 100}}}),
      "PATCH /drives/disk", R"({"drive_id":"disk","rate_limiter":{"ops":{"size":10,"refill_time":100}}})");
}

TEST(Request, ChangesOfANetworksLimiters) {
  expect_request(patch_network_interface({.id = "eth0",
                                          .rx_rate_limiter = RateLimiter{TokenBucket{7, {}, 1000}, {}},
                                          .tx_rate_limiter = RateLimiter{TokenBucket{}, {}}}),
                 "PATCH /network-interfaces/eth0",
                 R"({"iface_id":"eth0","rx_rate_limiter":{"bandwidth":{"size":7,"refill_time":1000}},
                     "tx_rate_limiter":{"bandwidth":{"size":0,"refill_time":0}}})");
  EXPECT_EQ(code_of([] { patch_network_interface({.id = "a/b"}); }), Code::kInvalidArgument);
}

TEST(Request, IdsThatWouldChangeThePathAreRefused) {
  for (const char* id : {"", "a/b", "..", "a b", "a?b", "a-b", "\xff"}) {
    EXPECT_EQ(code_of([&] { put_drive({id, "d", true, false}); }), Code::kInvalidArgument) << id;
    EXPECT_EQ(code_of([&] { patch_drive({id, "d", std::nullopt}); }), Code::kInvalidArgument) << id;
    EXPECT_EQ(code_of([&] { put_network_interface({id, "tap0", ""}); }), Code::kInvalidArgument) << id;
  }
}

TEST(Request, PathsThatJsonCannotCarryAreRefused) {
  EXPECT_EQ(code_of([] { put_drive({"d", "\xff.ext4", true, false}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_of([] { put_drive({"d", std::string("a\0b", 3), true, false}); }), Code::kInvalidArgument);
  expect_request(
      put_drive({"d", "a \"quoted\"\n\\path", true, false}), "PUT /drives/d",
      R"({"drive_id":"d","path_on_host":"a \"quoted\"\n\\path","is_root_device":true,"is_read_only":false})");
}

TEST(Request, NetworkInterfaces) {
  expect_request(put_network_interface({"eth0", "tap0", "06:00:0a:ff:fe:02"}), "PUT /network-interfaces/eth0",
                 R"({"iface_id":"eth0","host_dev_name":"tap0","guest_mac":"06:00:0a:ff:fe:02"})");
  expect_request(put_network_interface({"eth0", "tap0", ""}), "PUT /network-interfaces/eth0",
                 R"({"iface_id":"eth0","host_dev_name":"tap0"})");
  for (const char* mac : {"06:00:0a:ff:fe", "06-00-0a-ff-fe-02", "06:00:0a:ff:fe:0g", "06:00:0a:ff:fe:02:"})
    EXPECT_EQ(code_of([&] { put_network_interface({"eth0", "tap0", mac}); }), Code::kInvalidArgument) << mac;
}

TEST(Request, Actions) {
  expect_request(start_instance(), "PUT /actions", R"({"action_type":"InstanceStart"})");
  expect_request(send_ctrl_alt_del(), "PUT /actions", R"({"action_type":"SendCtrlAltDel"})");
  expect_request(set_state(VmState::kPaused), "PATCH /vm", R"({"state":"Paused"})");
  expect_request(set_state(VmState::kResumed), "PATCH /vm", R"({"state":"Resumed"})");
  expect_request(describe_instance(), "GET /", "");
  expect_request(get_vm_config(), "GET /vm/config", "");
}

TEST(Request, CreateSnapshot) {
  expect_request(create_snapshot({"state", "memory"}, kOld), "PUT /snapshot/create",
                 R"({"snapshot_type":"Full","snapshot_path":"state","mem_file_path":"memory"})");
  expect_request(create_snapshot({"state", "memory", SnapshotType::kDiff}, kNew), "PUT /snapshot/create",
                 R"({"snapshot_type":"Diff","snapshot_path":"state","mem_file_path":"memory"})");
  const SnapshotCreate unsynced{.state_path = "state", .memory_path = "memory", .sync = false};
  expect_request(create_snapshot(unsynced, parse_version("1.17.0")), "PUT /snapshot/create",
                 R"({"snapshot_type":"Full","snapshot_path":"state","mem_file_path":"memory",
                     "sync_snapshot_files":false})");
  // A body with a field that it does not know would be refused.
  for (const char* older : {"1.7.0", "1.16.2", "1.17.0-dev"})
    expect_request(create_snapshot(unsynced, parse_version(older)), "PUT /snapshot/create",
                   R"({"snapshot_type":"Full","snapshot_path":"state","mem_file_path":"memory"})");
}

TEST(Request, LoadSnapshotForTheOldestVersion) {
  SnapshotLoad load{"state", "memory", true};
  load.track_dirty_pages = true;
  load.clock_realtime = true;
  expect_request(load_snapshot(load, kOld), "PUT /snapshot/load",
                 R"({"snapshot_path":"state","mem_backend":{"backend_type":"File","backend_path":"memory"},
                     "resume_vm":true,"enable_diff_snapshots":true})");
  load.network_overrides = {{"eth0", "tap1"}};
  try {
    load_snapshot(load, kOld);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("Firecracker 1.7.0"));
    EXPECT_THAT(error.hint(), HasSubstr("1.12.0"));
  }
}

TEST(Request, LoadSnapshotForTheNewestVersion) {
  SnapshotLoad load{"state", "memory", false};
  load.track_dirty_pages = true;
  load.clock_realtime = true;
  load.network_overrides = {{"eth0", "tap1"}};
  expect_request(load_snapshot(load, kNew), "PUT /snapshot/load",
                 R"({"snapshot_path":"state","mem_backend":{"backend_type":"File","backend_path":"memory"},
                     "resume_vm":false,"track_dirty_pages":true,"clock_realtime":true,
                     "network_overrides":[{"iface_id":"eth0","host_dev_name":"tap1"}]})");
}

}  // namespace
}  // namespace knaller::firecracker
