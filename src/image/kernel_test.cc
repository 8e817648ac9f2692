#include "image/kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <random>

#include "base/test_folder.h"
#include "image/decompress.h"

namespace knaller::image {
namespace {

using ::testing::HasSubstr;

std::string little_endian(uint32_t number) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &number, 4);
  return bytes;
}

// Something that begins like an ELF file and compresses a little.
std::string make_vmlinux(size_t size) {
  std::mt19937 random(7);
  std::string bytes =
      "\x7f"
      "ELF";
  while (bytes.size() < size) bytes.push_back(static_cast<char>(random() % 23));
  return bytes;
}

std::string gzipped(const std::string& data) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(data.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;  // ends with the length
}

std::string xzed(const std::string& data) {
  std::string out(::lzma_stream_buffer_bound(data.size()), '\0');
  size_t size = 0;
  EXPECT_EQ(
      ::lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const uint8_t*>(data.data()),
                                data.size(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size()),
      LZMA_OK);
  out.resize(size);
  return out + little_endian(static_cast<uint32_t>(data.size()));
}

std::string zstded(const std::string& data) {
  std::string out(::ZSTD_compressBound(data.size()), '\0');
  out.resize(::ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 1));
  return out + little_endian(static_cast<uint32_t>(data.size()));
}

std::string lz4ed(const std::string& data) {
  std::string out = "\x02\x21\x4c\x18";
  for (size_t at = 0; at < data.size(); at += 8 << 20) {
    const std::string piece = data.substr(at, 8 << 20);
    std::string block(static_cast<size_t>(LZ4_COMPRESSBOUND(piece.size())), '\0');
    block.resize(static_cast<size_t>(::LZ4_compress_default(
        piece.data(), block.data(), static_cast<int>(piece.size()), static_cast<int>(block.size()))));
    out += little_endian(static_cast<uint32_t>(block.size())) + block;
  }
  return out + little_endian(static_cast<uint32_t>(data.size()));
}

std::string bzimage_with(const std::string& payload, uint8_t setup_sectors = 3) {
  std::string image((setup_sectors == 0 ? 5U : setup_sectors + 1U) * 512, '\0');
  image[0x1f1] = static_cast<char>(setup_sectors);
  image.replace(0x202, 4, "HdrS");
  image.replace(0x206, 2, std::string("\x0f\x02", 2));
  image.replace(0x248, 4, little_endian(64));
  image.replace(0x24c, 4, little_endian(static_cast<uint32_t>(payload.size())));
  return image + std::string(64, 'c') + payload + "after";
}

std::string message_of(const std::string& kernel) {
  try {
    extract_vmlinux(kernel, "the kernel");
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(Kernel, ComesOutOfEveryKnownCompression) {
  const std::string vmlinux = make_vmlinux(9'000'000);
  EXPECT_TRUE(extract_vmlinux(bzimage_with(gzipped(vmlinux)), "k") == vmlinux);
  EXPECT_TRUE(extract_vmlinux(bzimage_with(xzed(vmlinux)), "k") == vmlinux);
  EXPECT_TRUE(extract_vmlinux(bzimage_with(zstded(vmlinux)), "k") == vmlinux);
  EXPECT_TRUE(extract_vmlinux(bzimage_with(lz4ed(vmlinux)), "k") == vmlinux);
  // Padding, then the length.
  for (const std::string& behind : {std::string(8, '\0'), std::string(8, '\xff')}) {
    std::string padded = lz4ed(vmlinux);
    padded.insert(padded.size() - 4, behind);
    EXPECT_TRUE(extract_vmlinux(bzimage_with(padded), "k") == vmlinux);
  }
  EXPECT_TRUE(extract_vmlinux(bzimage_with(vmlinux), "k") == vmlinux);
  EXPECT_TRUE(extract_vmlinux(vmlinux, "k") == vmlinux);
  EXPECT_TRUE(extract_vmlinux(bzimage_with(gzipped(vmlinux), 0), "k") == vmlinux);
}

TEST(Kernel, RefusesOtherCompressionsByName) {
  EXPECT_THAT(message_of(bzimage_with("BZh91AY&SY....")), HasSubstr("bzip2"));
  EXPECT_THAT(message_of(bzimage_with(std::string("\x5d\0\0\0\4....", 9))), HasSubstr("lzma"));
  EXPECT_THAT(message_of(bzimage_with("\x89LZO....")), HasSubstr("lzo"));
  EXPECT_EQ(code_thrown_by([] { extract_vmlinux(bzimage_with("what is this?"), "k"); }), Code::kUnsupported);
}

TEST(Kernel, RefusesWhatIsNone) {
  for (const std::string& text :
       {std::string(), std::string("hello\n"), std::string(5000, '\0'), std::string("MZ")})
    EXPECT_EQ(code_thrown_by([&] { extract_vmlinux(text, "k"); }), Code::kInvalidArgument);
}

TEST(Kernel, DoesNotBelieveItsHeader) {
  const std::string good = bzimage_with(gzipped(make_vmlinux(10'000)));
  for (const size_t field : {size_t{0x248}, size_t{0x24c}}) {
    for (const uint32_t value : {0U, 1U, 7U, 0x7fffffffU, 0xffffffffU, static_cast<uint32_t>(good.size())}) {
      std::string bad = good;
      bad.replace(field, 4, little_endian(value));
      EXPECT_NE(message_of(bad), "") << field << ' ' << value;
    }
  }
  std::string many_sectors = good;
  many_sectors[0x1f1] = '\xff';
  EXPECT_EQ(code_thrown_by([&] { extract_vmlinux(many_sectors, "k"); }), Code::kCorrupt);
  std::string old = good;
  old[0x206] = 7;
  EXPECT_EQ(code_thrown_by([&] { extract_vmlinux(old, "k"); }), Code::kUnsupported);
}

TEST(Kernel, FindsAWrongLengthAndWhatIsNoElf) {
  std::string payload = zstded(make_vmlinux(10'000));
  payload.replace(payload.size() - 4, 4, little_endian(9'999));
  EXPECT_EQ(code_thrown_by([&] { extract_vmlinux(bzimage_with(payload), "k"); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { extract_vmlinux(bzimage_with(gzipped(std::string(9999, 'x'))), "k"); }),
            Code::kCorrupt);
}

// Cut anywhere, or with any byte changed, it is an error or (a change in unused bits) a file of the promised
// length, and never a crash, an endless loop or an endless output.
TEST(Kernel, SurvivesDamage) {
  const std::string vmlinux = make_vmlinux(3000);
  std::mt19937 random(11);
  for (const std::string& payload : {gzipped(vmlinux), xzed(vmlinux), zstded(vmlinux), lz4ed(vmlinux)}) {
    const std::string good = bzimage_with(payload);
    for (size_t size = 0; size < good.size() - 5; size += 1 + random() % 7)
      EXPECT_NE(message_of(good.substr(0, size)), "");
    for (int i = 0; i < 2000; ++i) {
      std::string bad = good;
      bad[random() % bad.size()] = static_cast<char>(random());
      try {
        EXPECT_TRUE(
            extract_vmlinux(bad, "k").starts_with("\x7f"
                                                  "ELF"));
      } catch (const Error&) {
      }
    }
  }
}

TEST(Decompress, HasALimit) {
  const std::string zeros(50'000'000, '\0');
  for (const std::string& bomb : {gzipped(zeros), xzed(zeros), zstded(zeros), lz4ed(zeros)}) {
    EXPECT_LT(bomb.size(), 1'000'000U);
    EXPECT_EQ(code_thrown_by([&] { decompress(bomb, 10'000'000, "a bomb"); }), Code::kCorrupt);
    EXPECT_EQ(decompress(bomb, 50'000'000, "no bomb").size(), zeros.size());
  }
}

TEST(Kernel, TellsItsVersion) {
  EXPECT_EQ(version_of_vmlinux("..Linux version %s (%s)\nLinux version 6.1.0-56-cloud-amd64 (debian-kernel@"),
            "6.1.0-56-cloud-amd64");
  EXPECT_EQ(version_of_vmlinux("Linux version "), "");
  EXPECT_EQ(version_of_vmlinux("Linux version " + std::string(100, '6')), "");
}

}  // namespace
}  // namespace knaller::image
