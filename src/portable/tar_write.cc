#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "portable/tar.h"

namespace knaller::portable {
namespace {

constexpr size_t kLongestName = 100;
constexpr uint64_t kMostOctal = uint64_t{8} << 30;

void put_octal(std::string& block, size_t at, size_t digits, uint64_t number) {
  const std::string text = fmt::format("{:0{}o}", number, digits);
  block.replace(at, digits, text);
}

uint64_t round_up(uint64_t size) {
  return (size + kTarBlock - 1) / kTarBlock * kTarBlock;
}

// "17 path=snap_1/abc\n": the number counts the whole record, itself included.
std::string pax_record(std::string_view key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t size = rest + 1;
  while (fmt::format("{}", size).size() + rest != size) ++size;
  return fmt::format("{} {}={}\n", size, key, value);
}

std::string map_text(const std::vector<Extent>& data, uint64_t size) {
  std::vector<Extent> pieces = data;
  // From the last piece GNU tar knows how long the file is.
  if (pieces.empty() || pieces.back().end != size) pieces.push_back({size, size});
  std::string text = fmt::format("{}\n", pieces.size());
  for (const Extent& piece : pieces) text += fmt::format("{}\n{}\n", piece.begin, piece.size());
  text.resize(round_up(text.size()), '\0');
  return text;
}

bool is_whole(const std::vector<Extent>& data, uint64_t size) {
  return size == 0 || (data.size() == 1 && data[0] == Extent{0, size});
}

bool is_plain(std::string_view path) {
  return path.size() <= kLongestName &&
         std::all_of(path.begin(), path.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

void add_extent(std::vector<Extent>& data, const Extent& next, uint64_t& least_hole, size_t most) {
  if (!data.empty() && next.begin - data.back().end <= least_hole) {
    data.back().end = next.end;
    return;
  }
  data.push_back(next);
  while (data.size() > most) {
    least_hole = std::max(kBlockBytes, least_hole * 2);
    size_t kept = 0;
    for (size_t at = 1; at < data.size(); ++at) {
      if (data[at].begin - data[kept].end <= least_hole)
        data[kept].end = data[at].end;
      else
        data[++kept] = data[at];
    }
    data.resize(kept + 1);
  }
}

void limit_extents(std::vector<Extent>& data, size_t most) {
  std::vector<Extent> limited;
  uint64_t least_hole = 0;
  for (const Extent& extent : data) add_extent(limited, extent, least_hole, most);
  data = std::move(limited);
}

void TarWriter::add_header(const std::string& path, uint64_t size, char type) {
  std::string block(kTarBlock, '\0');
  const std::string name = path.substr(0, kLongestName);
  block.replace(0, name.size(), name);
  put_octal(block, 100, 7, 0600);
  put_octal(block, 108, 7, 0);
  put_octal(block, 116, 7, 0);
  put_octal(block, 124, 11, size < kMostOctal ? size : 0);
  put_octal(block, 136, 11, static_cast<uint64_t>(std::clamp<int64_t>(modified_, 1, INT32_MAX)));
  block.replace(148, 8, 8, ' ');
  block[156] = type;
  block.replace(257, 8, std::string_view("ustar\00000", 8));
  const auto sum = std::accumulate(block.begin(), block.end(), uint64_t{0}, [](uint64_t so_far, char c) {
    return so_far + static_cast<unsigned char>(c);
  });
  put_octal(block, 148, 6, sum);
  block[154] = '\0';
  sink_(block);
  in_entry_ = 0;
}

void TarWriter::add_pax(const std::string& folder, const std::string& name, const std::string& records) {
  add_header(fmt::format("{}/PaxHeaders/{}", folder, name), records.size(), 'x');
  write(records);
  pad();
}

void TarWriter::pad() {
  const uint64_t missing = round_up(in_entry_) - in_entry_;
  if (missing > 0) sink_(std::string(missing, '\0'));
}

void TarWriter::add(const std::string& folder, const std::string& name, std::string_view content) {
  begin_file(folder, name, content.size(), {{0, content.size()}});
  write(content);
  end_file();
}

void TarWriter::begin_file(const std::string& folder, const std::string& name, uint64_t size,
                           const std::vector<Extent>& data) {
  std::string path = fmt::format("{}/{}", folder, name);
  std::string records;
  std::string map;
  uint64_t stored = size;
  if (is_whole(data, size)) {
    if (!is_plain(path)) records += pax_record("path", path);
  } else {
    map = map_text(data, size);
    stored = map.size();
    for (const Extent& piece : data) stored += piece.size();
    records += pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
               pax_record("GNU.sparse.name", path) +
               pax_record("GNU.sparse.realsize", fmt::format("{}", size));
    path = fmt::format("{}/GNUSparseFile.0/{}", folder, name);
  }
  if (stored >= kMostOctal) records += pax_record("size", fmt::format("{}", stored));
  if (!records.empty()) add_pax(folder, name, records);
  add_header(path, stored, '0');
  write(map);
}

void TarWriter::write(std::string_view data) {
  if (data.empty()) return;
  sink_(data);
  in_entry_ += data.size();
}

void TarWriter::end_file() {
  pad();
}

void TarWriter::finish() {
  sink_(std::string(2 * kTarBlock, '\0'));
}

}  // namespace knaller::portable
