// vm.json and metadata.json.
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "store/snapshot_record.h"
#include "store/vm_record.h"

namespace knaller::store {
namespace {

using std::chrono::microseconds;

const char* const kGoMetadata = R"({
  "id": "snap_3d927f9e",
  "vm_name": "web",
  "created_at": "2026-11-23T09:26:15.201145921Z",
  "vcpus": 2,
  "mem_size_mib": 128,
  "ports": [ { "Host": 18080, "Guest": 80 }, { "Host": 18443, "Guest": 443 } ]
})";

class RecordsTest : public testing::Test {
 protected:
  int directory() const { return folder_.fd(); }

  TestFolder folder_;
};

TEST_F(RecordsTest, VmRecordComesBackAsItWas) {
  VmRecord record;
  record.name = "web";
  record.uuid = "u";
  record.vcpus = 3;
  record.memory_mib = 512;
  record.ports = {{"0.0.0.0", 0, 53, Protocol::kUdp}, {"127.0.0.1", 8080, 80, Protocol::kTcp}};
  record.bound = {{"0.0.0.0", 40001, 53, Protocol::kUdp}};
  record.network = NetworkMode::kNone;
  record.on_reboot = OnReboot::kStop;
  record.engine = EngineType::kQemu;
  record.created_at = SystemTime(std::chrono::seconds(1'700'000'000));
  write_vm_record(directory(), record);
  const VmRecord back = read_vm_record(directory(), "web");
  EXPECT_EQ(to_json_text(back), to_json_text(record));
  EXPECT_EQ(back.ports, record.ports);
  EXPECT_EQ(stat_if_exists(directory(), "vm.json")->st_mode & 07777, 0600u);
}

TEST_F(RecordsTest, VmRecordOfAnotherNameIsCorrupt) {
  VmRecord record;
  record.name = "web";
  EXPECT_EQ(code_thrown_by([&] { parse_vm_record(to_json_text(record), "db"); }), Code::kCorrupt);
}

TEST_F(RecordsTest, VmRecordOfAnyContentIsAnErrorNotACrash) {
  for (const char* text :
       {"", "{", "[]", "null", "{}", "{\"format\":\"1\"}", "{\"format\":1,\"name\":7}", "\xff\xfe"})
    EXPECT_EQ(code_thrown_by([&] { parse_vm_record(text, "web"); }), Code::kCorrupt) << text;
  EXPECT_EQ(code_thrown_by([&] { parse_vm_record("{\"format\":99}", "web"); }), Code::kUnsupported);
}

// The texts are the formats': records of every version have them.
TEST_F(RecordsTest, AnEngineIsNamedAndAnUnknownOneIsNotTakenForAnother) {
  VmRecord record;
  record.name = "web";
  for (const auto& [type, name] :
       {std::pair(EngineType::kFirecracker, "firecracker"), std::pair(EngineType::kQemu, "qemu")}) {
    record.engine = type;
    const std::string text = to_json_text(record);
    EXPECT_NE(text.find(fmt::format("\"engine\": \"{}\"", name)), std::string::npos) << text;
    EXPECT_EQ(parse_vm_record(text, "web").engine, type);
  }
  std::string text = to_json_text(record);
  text.replace(text.find("\"qemu\""), 6, "\"crosvm\"");
  EXPECT_EQ(code_thrown_by([&] { parse_vm_record(text, "web"); }), Code::kUnsupported);
}

TEST_F(RecordsTest, ReadsTheGoProgramsMetadata) {
  const SnapshotRecord record = parse_snapshot_record(kGoMetadata, SnapshotId::parse("snap_3d927f9e"));
  EXPECT_TRUE(record.is_foreign());
  EXPECT_EQ(record.vm_name, "web");
  EXPECT_EQ(record.network_of, "web");
  EXPECT_EQ(record.engine, EngineType::kFirecracker);
  EXPECT_EQ(record.vcpus, 2u);
  ASSERT_EQ(record.ports.size(), 2u);
  EXPECT_EQ(record.ports[1], (PortForward{"127.0.0.1", 18443, 443, Protocol::kTcp}));
}

TEST_F(RecordsTest, MetadataWithAnotherIdInsideIsCorrupt) {
  EXPECT_EQ(code_thrown_by([&] { parse_snapshot_record(kGoMetadata, SnapshotId::parse("snap_00000000")); }),
            Code::kCorrupt);
}

TEST_F(RecordsTest, MetadataWithAVmThatCanHaveNoNameIsCorrupt) {
  const auto id = SnapshotId::parse("snap_3d927f9e");
  const auto with = [](std::string text, const std::string& name) {
    return text.replace(text.find("\"web\""), 5, "\"" + name + "\"");
  };
  SnapshotRecord record;
  record.id = id.str();
  record.vm_name = "web";
  record.format = 1;
  const std::string own = to_json_text(record);
  EXPECT_EQ(parse_snapshot_record(own, id).vm_name, "web");
  for (const char* name : {"", "../web", "Web", "web\\u001b[2J", "web\u202e", "web\u009b"})
    EXPECT_EQ(code_thrown_by([&] { parse_snapshot_record(with(own, name), id); }), Code::kCorrupt) << name;
  EXPECT_EQ(parse_snapshot_record(with(kGoMetadata, "My VM"), id).vm_name, "My VM");
  record.network_of = "My VM";  // as an import of it keeps it
  EXPECT_EQ(parse_snapshot_record(with(to_json_text(record), "My VM"), id).vm_name, "My VM");
  EXPECT_EQ(code_thrown_by([&] { parse_snapshot_record(with(kGoMetadata, "web\\u001b[2J"), id); }),
            Code::kCorrupt);
}

TEST_F(RecordsTest, SnapshotRecordKeepsTheGoProgramsForm) {
  SnapshotRecord record;
  record.id = "snap_00000001";
  record.vm_name = "web";
  record.vcpus = 1;
  record.memory_mib = 256;
  record.ports = {{"127.0.0.1", 8080, 80, Protocol::kTcp}};
  record.engine = EngineType::kQemu;
  record.uuid = "u";
  record.paused = microseconds(1234);
  const std::string text = to_json_text(record);
  EXPECT_NE(text.find("\"Host\": 8080"), std::string::npos) << text;
  EXPECT_NE(text.find("\"Guest\": 80"), std::string::npos) << text;
  EXPECT_EQ(text.find("Addr"), std::string::npos) << text;
  const SnapshotRecord back = parse_snapshot_record(text, SnapshotId::parse("snap_00000001"));
  EXPECT_EQ(to_json_text(back), text);
  EXPECT_EQ(back.paused, microseconds(1234));
}

}  // namespace
}  // namespace knaller::store
