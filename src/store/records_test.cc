// vm.json, metadata.json, labels.json and the manifest.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "store/manifest.h"
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

template <typename Action>
Code code_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::kInternal;
}

class RecordsTest : public testing::Test {
 protected:
  RecordsTest() {
    std::string pattern = testing::TempDir() + "knaller-records-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    directory_ = open_directory(root_);
  }
  ~RecordsTest() override { remove_tree(AT_FDCWD, root_); }

  void write_at(const std::string& name, uint64_t offset, std::string_view data) {
    const UniqueFd fd = open_at(directory_.get(), name, O_RDWR | O_CREAT);
    ASSERT_EQ(::pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(data.size()));
  }
  void resize(const std::string& name, uint64_t size) {
    const UniqueFd fd = open_at(directory_.get(), name, O_RDWR | O_CREAT);
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  }

  std::string root_;
  UniqueFd directory_;
  const Deadline never_ = Deadline::never();
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
  record.engine = "qemu";
  record.created_at = SystemTime(std::chrono::seconds(1'700'000'000));
  write_vm_record(directory_.get(), record);
  const VmRecord back = read_vm_record(directory_.get(), "web");
  EXPECT_EQ(to_json_text(back), to_json_text(record));
  EXPECT_EQ(back.ports, record.ports);
  EXPECT_EQ(stat_if_exists(directory_.get(), "vm.json")->st_mode & 07777, 0600u);
}

TEST_F(RecordsTest, VmRecordOfAnotherNameIsCorrupt) {
  VmRecord record;
  record.name = "web";
  EXPECT_EQ(code_of([&] { parse_vm_record(to_json_text(record), "db"); }), Code::kCorrupt);
}

TEST_F(RecordsTest, VmRecordOfAnyContentIsAnErrorNotACrash) {
  for (const char* text :
       {"", "{", "[]", "null", "{}", "{\"format\":\"1\"}", "{\"format\":1,\"name\":7}", "\xff\xfe"})
    EXPECT_EQ(code_of([&] { parse_vm_record(text, "web"); }), Code::kCorrupt) << text;
  EXPECT_EQ(code_of([&] { parse_vm_record("{\"format\":99}", "web"); }), Code::kUnsupported);
}

TEST_F(RecordsTest, ReadsTheGoProgramsMetadata) {
  const SnapshotRecord record = parse_snapshot_record(kGoMetadata, SnapshotId::parse("snap_3d927f9e"));
  EXPECT_TRUE(record.is_foreign());
  EXPECT_EQ(record.vm_name, "web");
  EXPECT_EQ(record.network_of, "web");
  EXPECT_EQ(record.vcpus, 2u);
  ASSERT_EQ(record.ports.size(), 2u);
  EXPECT_EQ(record.ports[1], (PortForward{"127.0.0.1", 18443, 443, Protocol::kTcp}));
}

TEST_F(RecordsTest, MetadataWithAnotherIdInsideIsCorrupt) {
  EXPECT_EQ(code_of([&] { parse_snapshot_record(kGoMetadata, SnapshotId::parse("snap_00000000")); }),
            Code::kCorrupt);
}

TEST_F(RecordsTest, SnapshotRecordKeepsTheGoProgramsForm) {
  SnapshotRecord record;
  record.id = "snap_00000001";
  record.vm_name = "web";
  record.vcpus = 1;
  record.memory_mib = 256;
  record.ports = {{"127.0.0.1", 8080, 80, Protocol::kTcp}};
  record.engine = "qemu";
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

TEST_F(RecordsTest, LabelsAreEmptyUntilWritten) {
  EXPECT_TRUE(read_labels(directory_.get()).labels.empty());
  write_labels(directory_.get(), {"clean", {{"stage", "ci"}}});
  EXPECT_EQ(read_labels(directory_.get()).name, "clean");
  EXPECT_EQ(read_labels(directory_.get()).labels.at("stage"), "ci");
}

TEST_F(RecordsTest, ManifestComesBackAndLeavesOutHoles) {
  resize("memory", 5 * kChunkBytes);
  write_at("memory", 3 * kChunkBytes + 17, "data");
  write_at("state", 0, "state");
  const Manifest manifest = make_manifest(directory_.get(), {"memory", "state"}, never_);
  ASSERT_EQ(manifest.files.size(), 2u);
  ASSERT_EQ(manifest.files[0].chunks.size(), 1u);
  EXPECT_EQ(manifest.files[0].chunks[0].offset, 3 * kChunkBytes);
  const Manifest back = parse_manifest(to_text(manifest));
  EXPECT_EQ(to_text(back), to_text(manifest));
  for (const ManifestFile& file : back.files) EXPECT_NO_THROW(verify_file(directory_.get(), file, never_));
}

TEST_F(RecordsTest, StoredZerosAndHolesGiveOneManifest) {
  resize("hole", 2 * kChunkBytes);
  write_at("zeros", 0, std::string(2 * kChunkBytes, '\0'));
  EXPECT_EQ(digest_file(directory_.get(), "hole", never_).chunks,
            digest_file(directory_.get(), "zeros", never_).chunks);
}

TEST_F(RecordsTest, EveryDamageIsFound) {
  resize("memory", 3 * kChunkBytes + 100);
  write_at("memory", kChunkBytes, "data");
  const ManifestFile whole = digest_file(directory_.get(), "memory", never_);

  write_at("memory", kChunkBytes + 2, "T");
  EXPECT_EQ(code_of([&] { verify_file(directory_.get(), whole, never_); }), Code::kCorrupt);
  write_at("memory", kChunkBytes + 2, "t");
  EXPECT_NO_THROW(verify_file(directory_.get(), whole, never_));

  write_at("memory", 3 * kChunkBytes + 99, "\1");
  EXPECT_EQ(code_of([&] { verify_file(directory_.get(), whole, never_); }), Code::kCorrupt);
  write_at("memory", 3 * kChunkBytes + 99, std::string(1, '\0'));

  resize("memory", 3 * kChunkBytes + 99);
  EXPECT_EQ(code_of([&] { verify_file(directory_.get(), whole, never_); }), Code::kCorrupt);
}

TEST_F(RecordsTest, EveryFlippedBitOfAManifestIsFound) {
  write_at("state", 0, "state");
  const std::string text = to_text(make_manifest(directory_.get(), {"state"}, never_));
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_EQ(code_of([&] { parse_manifest(damaged); }), Code::kCorrupt) << i;
    }
    EXPECT_EQ(code_of([&] { parse_manifest(text.substr(0, i)); }), Code::kCorrupt) << i;
  }
}

TEST_F(RecordsTest, NothingButARegularFileIsDigested) {
  ASSERT_EQ(::symlinkat("/etc/passwd", directory_.get(), "link"), 0);
  ASSERT_EQ(::mkfifoat(directory_.get(), "fifo", 0600), 0);
  EXPECT_EQ(code_of([&] { digest_file(directory_.get(), "link", never_); }), Code::kCorrupt);
  EXPECT_EQ(code_of([&] { digest_file(directory_.get(), "fifo", never_); }), Code::kCorrupt);
}

}  // namespace
}  // namespace knaller::store
