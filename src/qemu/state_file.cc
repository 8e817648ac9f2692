#include "qemu/state_file.h"

#include <array>

#include "base/error.h"
#include "base/json.h"

namespace knaller::qemu {
namespace {

using namespace engine::qemu_state;

constexpr size_t kCrcSize = 8;
// Firecracker's states of x86-64 begin with 0x0710_1984_8664_0000, little-endian; from 1.14 on one byte
// later.
constexpr std::string_view kFirecrackerMagic("\x00\x00\x64\x86\x84\x19\x10\x07", 8);
constexpr uint64_t kCrcPolynomial = 0xC96C5795D7870F42;  // reflected

constexpr std::array<uint64_t, 256> make_crc_table() {
  std::array<uint64_t, 256> table = {};
  for (uint64_t i = 0; i < 256; ++i) {
    uint64_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kCrcPolynomial : 0);
    table[i] = value;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

std::string number(uint64_t value) {
  std::string bytes(8, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(value & 0xFF);
    value >>= 8;
  }
  return bytes;
}

void check_origin(std::string_view bytes) {
  if (bytes.size() < kCrcSize) fail(Code::kCorrupt, "IO Error: File too short to contain CRC");
  if (bytes.starts_with(kFirecrackerMagic) || bytes.substr(1).starts_with(kFirecrackerMagic)) {
    fail(Code::kUnsupported, "this is a state of Firecracker's own, which does not load on QEMU");
  }
  if (!bytes.starts_with(kMagic)) fail(Code::kCorrupt, "this is not a state file of knaller-qemu");
  if (bytes.size() <= kMagic.size()) fail(Code::kCorrupt, "the state file is cut short");
  if (bytes[kMagic.size()] != kFormat) {
    fail(Code::kUnsupported, "the state file has format {}, this knaller-qemu knows format {}",
         static_cast<unsigned char>(bytes[kMagic.size()]), static_cast<int>(kFormat));
  }
}

}  // namespace

uint64_t crc64(std::string_view bytes) {
  uint64_t crc = ~0ULL;
  for (const char byte : bytes) crc = kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::string encode_state(const State& state) {
  const std::string text = dump_json({{kSetup, parse_json(state.setup, "the setup", Code::kInternal)},
                                      {kAccelerator, state.accelerator},
                                      {kVersion, state.qemu_version},
                                      {kTscKhz, state.tsc_khz}});
  std::string bytes(kMagic);
  bytes += kFormat;
  bytes += number(text.size()) + number(state.devices.size()) + text + state.devices;
  bytes += number(crc64(bytes));
  return bytes;
}

State decode_state(std::string_view bytes) {
  check_origin(bytes);
  if (bytes.size() < kHeadSize + kCrcSize) fail(Code::kCorrupt, "the state file is cut short");
  const uint64_t text_size = number_in(bytes.substr(kTextSizeAt));
  const uint64_t devices_size = number_in(bytes.substr(kDevicesSizeAt));
  const uint64_t space = bytes.size() - kHeadSize - kCrcSize;
  if (text_size > space || devices_size != space - text_size) {
    fail(Code::kCorrupt, "the state file is cut short, or something follows it");
  }
  if (crc64(bytes.substr(0, bytes.size() - kCrcSize)) != number_in(bytes.substr(bytes.size() - kCrcSize))) {
    fail(Code::kCorrupt, "the state file is damaged: its checksum is wrong");
  }
  const Json json = parse_json(bytes.substr(kHeadSize, text_size), "the state file");
  const JsonReader reader(json, "the state file");
  State state;
  state.setup = dump_json(reader.object(kSetup));
  state.accelerator = reader.string(kAccelerator);
  state.qemu_version = reader.string(kVersion);
  state.tsc_khz = static_cast<uint64_t>(reader.integer(kTscKhz, 0, INT64_MAX));
  state.devices = bytes.substr(kHeadSize + text_size, devices_size);
  return state;
}

}  // namespace knaller::qemu
