#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "portable/tar.h"

namespace knaller::portable {
namespace {

constexpr uint64_t kLongestPax = 16 << 10;
constexpr uint64_t kLongestNumber = 20;
// Zeros behind the end, with which archives are filled up to some block size.
constexpr uint64_t kMostFilling = 1 << 20;

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(Code::kCorrupt, "the archive is damaged: " + fmt::format(format, std::forward<Args>(args)...));
}

std::string_view field(const std::array<char, kTarBlock>& block, size_t at, size_t size) {
  const std::string_view text(block.data() + at, size);
  return text.substr(0, std::min(size, text.find('\0')));
}

uint64_t octal(std::string_view text) {
  text = trim(text);
  uint64_t number = 0;
  if (text.empty() || text.size() > kLongestNumber) refuse("a number in a header is not a number");
  for (const char c : text) {
    if (c < '0' || c > '7') refuse("a number in a header is not a number");
    number = number * 8 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

uint64_t decimal(std::string_view text) {
  const auto number = parse_integer(text, 0, INT64_MAX);
  if (!number) refuse("a number is not one");
  return static_cast<uint64_t>(*number);
}

uint64_t checksum(std::array<char, kTarBlock> block) {
  std::fill_n(block.begin() + 148, 8, ' ');
  uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  return sum;
}

std::string_view kind_of(char type) {
  switch (type) {
    case '1':
      return "a hard link";
    case '2':
      return "a symbolic link";
    case '3':
    case '4':
      return "a device";
    case '5':
      return "a folder";
    case '6':
      return "a fifo";
    case 'S':
      return "a sparse file of GNU's old form";
    case 'g':
      return "a header for the whole archive";
    case 'L':
    case 'K':
      return "a long name of GNU's old form";
    default:
      return "something unknown";
  }
}

}  // namespace

struct TarReader::Header {
  std::string path;
  uint64_t size = 0;
  char type = 0;  // 0: the archive's end
};

struct TarReader::Pax {
  std::string path;
  std::optional<uint64_t> size;
  std::optional<uint64_t> real_size;
  std::string major;
  std::string minor;

  void take(std::string_view key, std::string_view value) {
    if (key == "path" || key == "GNU.sparse.name")
      path = value;
    else if (key == "size")
      size = decimal(value);
    else if (key == "GNU.sparse.realsize")
      real_size = decimal(value);
    else if (key == "GNU.sparse.major")
      major = value;
    else if (key == "GNU.sparse.minor")
      minor = value;
    else if (key.starts_with("GNU.sparse."))
      refuse("a sparse file is of an older form");
  }
};

uint64_t TarEntry::data_bytes() const {
  uint64_t bytes = 0;
  for (const Extent& piece : data) bytes += piece.size();
  return bytes;
}

void TarReader::read_block(char* block) {
  if (from_.read(block, kTarBlock) != kTarBlock) fail(Code::kCorrupt, "the archive ends too early");
}

TarReader::Header TarReader::read_header() {
  std::array<char, kTarBlock> block;
  read_block(block.data());
  if (is_zero(block.data(), block.size())) return {};
  if (field(block, 257, 5) != "ustar") refuse("what should be a header is not one");
  if (octal(field(block, 148, 8)) != checksum(block)) refuse("a header's sum does not match");
  Header header;
  header.path = field(block, 0, 100);
  if (block[262] == '\0' && block[345] != '\0')
    header.path = fmt::format("{}/{}", field(block, 345, 155), header.path);
  header.type = block[156] == '\0' ? '0' : block[156];
  if (header.type != '0' && header.type != 'x')
    fail(Code::kCorrupt, "the archive holds {}, '{}': only regular files belong into it",
         kind_of(header.type), printable(header.path));
  header.size = octal(field(block, 124, 12));
  left_ = header.size;
  padding_ = (kTarBlock - header.size % kTarBlock) % kTarBlock;
  return header;
}

TarReader::Pax TarReader::read_pax(uint64_t size) {
  if (size > kLongestPax) refuse("an extended header has {} bytes", size);
  std::string text(size, '\0');
  read(text.data(), size);
  skip_padding();
  Pax pax;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t space = rest.find(' ');
    if (space == std::string_view::npos) refuse("an extended header is cut off");
    const uint64_t length = decimal(rest.substr(0, space));
    const size_t equals = rest.find('=', space);
    if (length > rest.size() || equals == std::string_view::npos || equals + 1 >= length ||
        rest[length - 1] != '\n')
      refuse("an extended header is wrong");
    pax.take(rest.substr(space + 1, equals - space - 1), rest.substr(equals + 1, length - equals - 2));
    rest.remove_prefix(length);
  }
  return pax;
}

bool TarReader::next(TarEntry& entry) {
  if (left_ > 0) fail(Code::kInternal, "an entry of the archive was not read whole");
  skip_padding();
  Header header = read_header();
  Pax pax;
  if (header.type == 'x') {
    pax = read_pax(header.size);
    header = read_header();
    if (header.type != '0') refuse("an extended header is of no file");
  }
  if (header.type == 0) {
    read_end();
    return false;
  }
  if (pax.size) {
    header.size = left_ = *pax.size;
    padding_ = (kTarBlock - left_ % kTarBlock) % kTarBlock;
  }
  entry.path = pax.path.empty() ? header.path : pax.path;
  entry.size = header.size;
  entry.data.clear();
  if (pax.real_size || !pax.major.empty()) {
    if (!pax.real_size || pax.major != "1" || pax.minor != "0") refuse("a sparse file is of an unknown form");
    entry.size = *pax.real_size;
    read_map(entry, header.size);
  } else if (entry.size > 0) {
    entry.data.push_back({0, entry.size});
  }
  return true;
}

// A line of the map; its blocks are fetched as it goes on.
uint64_t TarReader::read_map_number() {
  std::string line;
  while (true) {
    if (map_bytes_ % kTarBlock == 0) {
      map_block_.resize(kTarBlock);
      read(map_block_.data(), kTarBlock);
    }
    const char c = map_block_[map_bytes_++ % kTarBlock];
    if (c == '\n') return decimal(line);
    if (line.size() == kLongestNumber) refuse("the map of a sparse file is wrong");
    line += c;
  }
}

void TarReader::read_map(TarEntry& entry, uint64_t stored) {
  map_bytes_ = 0;
  const uint64_t count = read_map_number();
  if (count > kMostExtents + 1) refuse("a sparse file has {} pieces", count);
  uint64_t at = 0;
  for (uint64_t number = 0; number < count; ++number) {
    const uint64_t begin = read_map_number();
    const uint64_t size = read_map_number();
    if (begin < at || begin > entry.size || size > entry.size - begin)
      refuse("the map of a sparse file is wrong");
    at = begin + size;
    if (size > 0) entry.data.push_back({begin, at});
  }
  const uint64_t map = (map_bytes_ + kTarBlock - 1) / kTarBlock * kTarBlock;
  if (stored < map || entry.data_bytes() != stored - map)
    refuse("a sparse file has other data than its map says");
}

void TarReader::read(char* buffer, size_t size) {
  if (size > left_) refuse("an entry is too short");
  if (from_.read(buffer, size) != size) fail(Code::kCorrupt, "the archive ends too early");
  left_ -= size;
}

void TarReader::skip_padding() {
  std::array<char, kTarBlock> rest;
  if (from_.read(rest.data(), padding_) != padding_) fail(Code::kCorrupt, "the archive ends too early");
  padding_ = 0;
}

void TarReader::read_end() {
  std::array<char, kTarBlock> block;
  read_block(block.data());
  for (uint64_t filling = 0;; filling += kTarBlock) {
    if (!is_zero(block.data(), block.size()) || filling > kMostFilling)
      fail(Code::kCorrupt, "something follows behind the archive's end");
    const size_t got = from_.read(block.data(), kTarBlock);
    if (got == 0) break;
    if (got != kTarBlock) fail(Code::kCorrupt, "something follows behind the archive's end");
  }
  from_.expect_end();
}

}  // namespace knaller::portable
