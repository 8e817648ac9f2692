// Files of every format that was ever written are read, and mean what they meant.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/json.h"
#include "base/test_folder.h"
#include "image/record.h"
#include "monitor/exit_record.h"
#include "store/labels.h"
#include "store/snapshot_record.h"
#include "store/verify.h"
#include "store/vm_record.h"

namespace knaller {
namespace {

using store::SnapshotId;

const char* const kSnapshot = "format1/snapshots/snap_0a1b2c3d";
const SnapshotId kId = SnapshotId::parse("snap_0a1b2c3d");

UniqueFd golden(const std::string& folder) {
  const char* source = std::getenv("KNALLER_SOURCE");
  if (source == nullptr) fail(Code::kInvalidArgument, "KNALLER_SOURCE is not set");
  return open_directory(std::string(source) + "/tests/compat/" + folder);
}

std::string text_of(const std::string& folder, const std::string& file) {
  return read_file(golden(folder).get(), file);
}

// Members may be added to what is written; none is renamed, lost or given another meaning.
void expect_kept(const std::string& golden_text, const std::string& written_text) {
  const Json before = parse_json(golden_text, "the golden copy");
  const Json after = parse_json(written_text, "what is written now");
  for (const auto& [key, value] : before.items()) {
    ASSERT_TRUE(after.contains(key)) << key;
    EXPECT_EQ(after[key], value) << key;
  }
}

TEST(GoldenTest, SnapshotMetadata) {
  const std::string text = text_of(kSnapshot, "metadata.json");
  const store::SnapshotRecord record = store::parse_snapshot_record(text, kId);
  EXPECT_FALSE(record.is_foreign());
  EXPECT_EQ(record.vm_name, "web");
  EXPECT_EQ(record.vcpus, 2u);
  EXPECT_EQ(record.memory_mib, 1u);
  EXPECT_TRUE(record.has_base && record.has_initrd && record.has_ssh);
  EXPECT_EQ(record.on_reboot, OnReboot::kStop);
  EXPECT_EQ(record.engine, store::EngineType::kFirecracker);
  EXPECT_EQ(record.cpu.family, 26);
  EXPECT_EQ(record.parent, "snap_00c0ffee");
  EXPECT_EQ(record.paused.count(), 11451);
  EXPECT_FALSE(record.durable);
  ASSERT_EQ(record.ports.size(), 2u);
  EXPECT_EQ(record.ports[1], (PortForward{"0.0.0.0", 40053, 53, Protocol::kUdp}));
  expect_kept(text, store::to_json_text(record));
}

TEST(GoldenTest, SnapshotIsWholeByItsManifest) {
  const UniqueFd directory = golden(kSnapshot);
  const store::Verification found = store::verify_snapshot(directory.get(), kId, Deadline::never());
  EXPECT_TRUE(found.has_digests);
  for (const store::Damage& damage : found.damages) ADD_FAILURE() << damage.reason;
}

TEST(GoldenTest, ManifestIsWrittenTheSame) {
  const UniqueFd directory = golden(kSnapshot);
  const std::string text = read_file(directory.get(), "manifest");
  EXPECT_EQ(to_text(store::parse_manifest(text)), text);
}

TEST(GoldenTest, ManifestOfFormat2IsWrittenTheSame) {
  const UniqueFd directory = golden(kSnapshot);
  const std::string text = read_file(golden("").get(), "manifest2");
  std::vector<std::string> names;
  for (const store::ManifestFile& file : store::parse_manifest(text).files) names.push_back(file.name);
  EXPECT_EQ(to_text(store::make_manifest(directory.get(), names, Deadline::never())), text);
}

TEST(GoldenTest, ManifestOfManyChunksIsWrittenTheSame) {
  const TestFolder folder;
  const UniqueFd memory = open_at(folder.fd(), "memory", O_RDWR | O_CREAT);
  ASSERT_EQ(::ftruncate(memory.get(), (9 << 20) + 5), 0);
  ASSERT_EQ(::pwrite(memory.get(), "\1", 1, 5), 1);
  ASSERT_EQ(::pwrite(memory.get(), "\xff", 1, (9 << 20) + 4), 1);
  write_file_atomically(folder.fd(), "state", "state");
  EXPECT_EQ(to_text(store::make_manifest(folder.fd(), {"memory", "state"}, Deadline::never())),
            "knaller-manifest 2\n"
            "file memory 9437189\n"
            "0 04fdf856b039c544a87c0110d0b74796e2e5cf88ea556bcf968b790bd162aeef\n"
            "8388608 7919b240281b281b19ada392cc017357ba2daecc3eeb87636bd3a5dae0b6a5cd\n"
            "file state 5\n"
            "0 976a5ea297c390bec582bb4330d915155e221547340b1c07b228079e210e9d6e\n"
            "end b4053523b8bd41167e77229c0fa362663f916456e70aa0eb74699293a0aa76a4\n");
}

TEST(GoldenTest, LabelsAreReadAndWrittenTheSame) {
  const UniqueFd directory = golden(kSnapshot);
  const store::SnapshotLabels labels = store::read_labels(directory.get());
  EXPECT_EQ(labels.name, "clean");
  EXPECT_EQ(labels.labels.at("Größe"), "1 ≤ 2");
  EXPECT_TRUE(labels.is_protected);
  const TestFolder folder;
  store::write_labels(folder.fd(), labels);
  expect_kept(read_file(directory.get(), "labels.json"), read_file(folder.fd(), "labels.json"));
}

TEST(GoldenTest, VmRecord) {
  const std::string text = text_of("format1/vms/web", "vm.json");
  const store::VmRecord record = store::parse_vm_record(text, "web");
  EXPECT_EQ(record.ports[1].host, 0);
  EXPECT_EQ(record.bound[1].host, 40053);
  EXPECT_EQ(record.from_snapshot, "snap_00c0ffee");
  EXPECT_FALSE(record.renewed);
  expect_kept(text, store::to_json_text(record));
}

TEST(GoldenTest, ExitRecord) {
  const auto record = monitor::read_exit_record(golden("format1/vms/web").get());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, monitor::EndState::kCrashed);
  EXPECT_EQ(record->signal, 9);
  EXPECT_EQ(record->rc, std::nullopt);
  expect_kept(text_of("format1/vms/web", "exit.json"), dump_json(monitor::exit_record_to_json(*record)));
}

TEST(GoldenTest, ImageRecord) {
  const std::string text = text_of("format1/images/tiny", "image.json");
  const image::Record record = image::parse_record(text, "image.json");
  EXPECT_TRUE(record.overlay);
  EXPECT_EQ(record.disk_mib, 8192u);
  EXPECT_EQ(record.packages.size(), 2u);
  expect_kept(text, image::to_text(record));
}

TEST(GoldenTest, MetadataOfTheGoProgram) {
  const UniqueFd directory = golden("format0/snapshots/snap_3d927f9e");
  const store::SnapshotRecord record =
      store::read_snapshot_record(directory.get(), SnapshotId::parse("snap_3d927f9e"));
  EXPECT_TRUE(record.is_foreign());
  EXPECT_EQ(record.network_of, "web");
  EXPECT_EQ(record.ports.front(), (PortForward{"127.0.0.1", 18080, 80, Protocol::kTcp}));
}

}  // namespace
}  // namespace knaller
