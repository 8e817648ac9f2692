#include "store/sha256.h"

#include <gtest/gtest.h>

#include "store/multi_buffer.h"

namespace knaller::store {
namespace {

TEST(Sha256Test, IsTheOneOfTheStandard) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// Lengths around SHA-256's blocks and its padding, and the longest; more pieces than lanes.
TEST(Sha256Test, ManyAtOnceAreWhatEachIsByItself) {
  const auto lanes = MultiBuffer::open();
  ASSERT_NE(lanes, nullptr) << "libipsec-mb1 is not installed, or of another version than its header";
  std::string bytes;
  while (bytes.size() < 65'534) bytes += std::to_string(bytes.size());
  std::vector<std::string_view> pieces;
  for (const size_t size : {10U, 55U, 56U, 63U, 64U, 65U, 119U, 120U, 4'095U, 16'384U, 16'383U, 65'534U})
    for (const size_t from : {0U, 1U, 7U})
      pieces.push_back(std::string_view(bytes).substr(from, size - from));
  std::string expected;
  for (const std::string_view piece : pieces) expected += sha256(piece);
  for (size_t count = 0; count <= pieces.size(); ++count) {
    const std::vector<std::string_view> some(pieces.begin(), pieces.begin() + static_cast<ptrdiff_t>(count));
    EXPECT_EQ(lanes->sha256_of_each(some), expected.substr(0, count * kSha256Bytes)) << count;
    EXPECT_EQ(sha256_of_each(some), expected.substr(0, count * kSha256Bytes)) << count;
  }
}

}  // namespace
}  // namespace knaller::store
