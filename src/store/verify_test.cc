#include "store/verify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/test_folder.h"
#include "store/labels.h"
#include "store/snapshot_record.h"

namespace knaller::store {
namespace {

const char* const kId = "snap_00000001";

class VerifyTest : public testing::Test {
 protected:
  VerifyTest() {
    describe(true);
    put("state", "device state");
    put("memory", std::string(9000, 'm'));
    put("rootfs.ext4", std::string(9000, 'd'));
    put("ssh_key", "key");
    seal({"metadata.json", "state", "memory", "rootfs.ext4", "ssh_key"});
    write_labels(folder_.fd(), {"clean", {}, false});
  }

  void describe(bool has_disk) {
    SnapshotRecord record;
    record.id = kId;
    record.vm_name = "web";
    record.uuid = "u";
    record.engine = EngineType::kQemu;
    record.has_disk = has_disk;
    put("metadata.json", to_json_text(record));
  }
  void put(const std::string& name, std::string_view text) {
    write_file_atomically(folder_.fd(), name, text);
  }
  void seal(const std::vector<std::string>& names) {
    put("manifest", to_text(make_manifest(folder_.fd(), names, Deadline::never())));
  }
  Verification verify(const char* id = kId) const {
    return verify_snapshot(folder_.fd(), SnapshotId::parse(id), Deadline::never());
  }
  // The files that are damaged, "manifest metadata.json".
  std::string damaged(const char* id = kId) const {
    std::string files;
    for (const Damage& damage : verify(id).damages) files += (files.empty() ? "" : " ") + damage.file;
    return files;
  }

  TestFolder folder_;
};

TEST_F(VerifyTest, AWholeOneIsWhole) {
  const Verification found = verify();
  EXPECT_TRUE(found.has_digests);
  EXPECT_TRUE(found.damages.empty());
  EXPECT_GT(found.checked_bytes, 18000u);
}

TEST_F(VerifyTest, EveryFlippedBitOfEveryFileIsFoundAndItsFileNamed) {
  for (const std::string& name : list_directory(folder_.fd())) {
    const std::string whole = read_file(folder_.fd(), name);
    for (size_t at = 0; at<whole.size(); at += whole.size()> 2000 ? 997 : 1) {
      std::string text = whole;
      text[at] = static_cast<char>(text[at] ^ (1 << (at % 8)));
      // In place: the fsync of thousands of atomic writes would take minutes.
      const UniqueFd fd = open_at(folder_.fd(), name, O_WRONLY);
      ASSERT_EQ(::pwrite(fd.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
      ASSERT_EQ(damaged(), name) << at;
    }
    put(name, whole);
  }
  EXPECT_EQ(damaged(), "");
}

TEST_F(VerifyTest, WhatIsMissingIsNamed) {
  for (const char* name : {"metadata.json", "state", "memory", "rootfs.ext4", "ssh_key", "manifest"}) {
    const std::string whole = read_file(folder_.fd(), name);
    remove_tree(folder_.fd(), name);
    EXPECT_EQ(damaged(), name);
    put(name, whole);
  }
}

TEST_F(VerifyTest, WhatWasPutThereIsNamed) {
  put("vmlinux", "kernel");
  EXPECT_EQ(damaged(), "vmlinux");
  remove_tree(folder_.fd(), "vmlinux");
  // What a killed `snapshot label` leaves is swept, and no damage.
  put(".labels.json.0123456789ab", "{");
  EXPECT_EQ(damaged(), "");
}

TEST_F(VerifyTest, ASnapshotUnderAnotherIdIsDamaged) {
  EXPECT_EQ(damaged("snap_00000002"), "metadata.json");
}

TEST_F(VerifyTest, AWholeManifestOfTooLittleIsDamaged) {
  seal({"metadata.json", "memory", "rootfs.ext4", "ssh_key"});
  // What a snapshot must have is what its metadata says: one of a VM that did not run has neither memory nor
  // devices.
  EXPECT_EQ(damaged(), "state metadata.json");
}

TEST_F(VerifyTest, AManifestNamesWhatTheMetadataSaysIsThere) {
  SnapshotRecord record;
  record.id = kId;
  record.vm_name = "web";
  record.uuid = "u";
  record.engine = EngineType::kQemu;
  record.boot_args = "quiet";
  record.has_base = record.has_initrd = record.has_ssh = true;
  put("metadata.json", to_json_text(record));
  remove_tree(folder_.fd(), "rootfs.ext4");
  const std::vector<std::string> all{"state",   "memory",    "disk.ext4", "base.ext4",
                                     "vmlinux", "initramfs", "ssh_key"};
  for (const std::string& name : all) put(name, name);
  for (const std::string& left_out : all) {
    std::vector<std::string> names{"metadata.json"};
    std::copy_if(all.begin(), all.end(), std::back_inserter(names),
                 [&](const std::string& name) { return name != left_out; });
    remove_tree(folder_.fd(), left_out);
    seal(names);
    EXPECT_EQ(damaged(), "metadata.json") << left_out;
    put(left_out, left_out);
  }
  seal({"metadata.json", "state", "memory", "disk.ext4", "base.ext4", "vmlinux", "initramfs", "ssh_key"});
  EXPECT_EQ(damaged(), "");
}

TEST_F(VerifyTest, OneWithoutItsDiskIsWholeIfItWasTakenSo) {
  remove_tree(folder_.fd(), "rootfs.ext4");
  seal({"metadata.json", "state", "memory", "ssh_key"});
  EXPECT_EQ(damaged(), "metadata.json");
  describe(false);
  seal({"metadata.json", "state", "memory", "ssh_key"});
  EXPECT_EQ(damaged(), "");
}

TEST_F(VerifyTest, TheGoProgramsHaveNoDigests) {
  for (const char* name : {"manifest", "labels.json", "ssh_key"}) remove_tree(folder_.fd(), name);
  put("metadata.json",
      R"({"id":"snap_00000001","vm_name":"web","created_at":"2026-11-23T09:26:15Z","vcpus":1,"mem_size_mib":1})");
  EXPECT_FALSE(verify().has_digests);
  EXPECT_TRUE(verify().damages.empty());
}

}  // namespace
}  // namespace knaller::store
