#include "qemu/state_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "firecracker/engine_api.h"

namespace knaller::qemu {
namespace {

State example() {
  firecracker::VmSetup setup;
  setup.vcpus = 2;
  setup.drives = {{.id = "rootfs", .path = "disk.ext4", .root = true}};
  return {.setup = firecracker::setup_to_json(setup),
          .accelerator = "tcg",
          .qemu_version = "7.2.22",
          .tsc_khz = 2596137,
          .devices = std::string("QEVM\0\0\0\3 bytes \0\xff of any kind", 27)};
}

Code code_of(std::string_view bytes) {
  try {
    decode_state(bytes);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "it was taken";
  return Code::kInternal;
}

TEST(Crc64, IsTheOneOfXz) {
  EXPECT_EQ(crc64("123456789"), 0x995DC9BBDF1939FAULL);
}

TEST(StateFile, GivesBackWhatWasPutIn) {
  const State state = decode_state(encode_state(example()));
  EXPECT_EQ(state.accelerator, "tcg");
  EXPECT_EQ(state.qemu_version, "7.2.22");
  EXPECT_EQ(state.tsc_khz, 2596137u);
  EXPECT_EQ(state.devices, example().devices);
  const auto setup = firecracker::setup_from_json(state.setup);
  EXPECT_EQ(setup.vcpus, 2u);
  ASSERT_EQ(setup.drives.size(), 1u);
  EXPECT_EQ(setup.drives[0].path, "disk.ext4");
  EXPECT_TRUE(setup.drives[0].root);
}

TEST(StateFile, HasItsDocumentedForm) {
  const std::string bytes = encode_state(example());
  EXPECT_EQ(bytes.substr(0, 16), std::string("knaller-qemu\0\0\0\1", 16));
  EXPECT_EQ(bytes[32], '{');
  EXPECT_EQ(bytes.substr(bytes.size() - 8 - 27, 27), example().devices);
}

TEST(StateFile, IsRefusedWhenCutShortAnywhere) {
  const std::string bytes = encode_state(example());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(code_of(bytes.substr(0, size)), Code::kCorrupt) << size;
  EXPECT_EQ(code_of(bytes + "x"), Code::kCorrupt);
}

TEST(StateFile, IsRefusedWhenAnyByteDiffers) {
  const std::string bytes = encode_state(example());
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const Code code = code_of(damaged);
    EXPECT_TRUE(code == Code::kCorrupt || (at == 15 && code == Code::kUnsupported)) << at;
  }
}

TEST(StateFile, RefusesFirecrackersStatesByName) {
  // The first bytes of states that Firecracker 1.7 and 1.16 wrote.
  for (const std::string_view head :
       {std::string_view("\x00\x00\x64\x86\x84\x19\x10\x07\x05\x00\x00\x00", 12),
        std::string_view("\x00\x00\x00\x64\x86\x84\x19\x10\x07\x06\x31\x30", 12)}) {
    try {
      decode_state(std::string(head) + std::string(1000, 'x'));
      FAIL() << "it was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kUnsupported);
      EXPECT_NE(error.message().find("Firecracker"), std::string::npos) << error.message();
    }
  }
}

TEST(StateFile, SaysWhatFirecrackerSaysToATinyFile) {
  try {
    decode_state("hello");
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "IO Error: File too short to contain CRC");
  }
}

}  // namespace
}  // namespace knaller::qemu
