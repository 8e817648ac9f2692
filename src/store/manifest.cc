#include "store/manifest.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller::store {
namespace {

constexpr std::string_view kFirstLine = "knaller-manifest 1";

std::string sha256(std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  // Fetched once: an implicit fetch at every call costs more than hashing a small file.
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (algorithm == nullptr ||
      EVP_Digest(data.data(), data.size(), digest.data(), &size, algorithm, nullptr) != 1)
    fail(Code::kInternal, "OpenSSL can't compute a SHA-256");
  return hex({reinterpret_cast<const char*>(digest.data()), size});
}

size_t read_chunk(int fd, uint64_t offset, std::vector<char>& buffer, std::string_view name) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    const ssize_t got =
        ::pread(fd, buffer.data() + filled, buffer.size() - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("read '{}' at offset {}", name, offset + filled);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  return filled;
}

// Where the next data begins, at or after `offset`; `size` when only a hole is left.
uint64_t next_data(int fd, uint64_t offset, uint64_t size) {
  const off_t found = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (found >= 0) return std::min(size, static_cast<uint64_t>(found));
  return errno == ENXIO ? size : offset;  // a file system without SEEK_DATA: everything is data
}

bool all_zero(const char* data, size_t size) {
  return std::all_of(data, data + size, [](char c) { return c == 0; });
}

bool is_digest(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

[[noreturn]] void damaged(std::string_view why) {
  throw Error(Code::kCorrupt, fmt::format("the manifest is damaged: {}", why));
}

// "<number> <rest>"
std::pair<uint64_t, std::string_view> split_number(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) damaged("a line is incomplete");
  const auto number = parse_integer(line.substr(0, space), 0, INT64_MAX);
  if (!number) damaged("a number is none");
  return {static_cast<uint64_t>(*number), line.substr(space + 1)};
}

ManifestFile parse_file_line(std::string_view line) {
  const size_t space = line.rfind(' ');
  if (space == std::string_view::npos) damaged("a line is incomplete");
  const auto size = parse_integer(line.substr(space + 1), 0, INT64_MAX);
  const std::string_view name = line.substr(0, space);
  if (!size || name.empty() || name.find('/') != std::string_view::npos || name.starts_with('.'))
    damaged("a file's line is wrong");
  return {std::string(name), static_cast<uint64_t>(*size), {}};
}

}  // namespace

const ManifestFile* Manifest::find(std::string_view name) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const auto& file) { return file.name == name; });
  return found == files.end() ? nullptr : &*found;
}

ManifestFile digest_file(int directory, const std::string& name, const Deadline& deadline) {
  const UniqueFd fd = open_untrusted(directory, name);
  ManifestFile file{name, file_size(fd.get()), {}};
  std::vector<char> buffer(std::min<uint64_t>(kChunkBytes, std::max<uint64_t>(file.size, 1)));
  for (uint64_t offset = 0; offset < file.size; offset += kChunkBytes) {
    deadline.check("the digests of " + name);
    offset = next_data(fd.get(), offset, file.size) / kChunkBytes * kChunkBytes;
    if (next_data(fd.get(), offset, file.size) >= file.size) break;
    const size_t size = read_chunk(fd.get(), offset, buffer, name);
    if (!all_zero(buffer.data(), size)) file.chunks.push_back({offset, sha256({buffer.data(), size})});
  }
  return file;
}

Manifest make_manifest(int directory, const std::vector<std::string>& names, const Deadline& deadline) {
  Manifest manifest;
  for (const std::string& name : names) manifest.files.push_back(digest_file(directory, name, deadline));
  return manifest;
}

std::string to_text(const Manifest& manifest) {
  std::string text(kFirstLine);
  text += '\n';
  for (const ManifestFile& file : manifest.files) {
    text += fmt::format("file {} {}\n", file.name, file.size);
    for (const ManifestChunk& chunk : file.chunks) text += fmt::format("{} {}\n", chunk.offset, chunk.sha256);
  }
  return text + fmt::format("end {}\n", sha256(text));
}

Manifest parse_manifest(std::string_view text) {
  const size_t end = text.rfind("end ");
  if (end == std::string_view::npos || end == 0 || text[end - 1] != '\n') damaged("its last line is missing");
  const std::string_view body = text.substr(0, end);
  if (text.substr(end) != fmt::format("end {}\n", sha256(body))) damaged("its own digest does not match");

  Manifest manifest;
  bool first = true;
  for (const std::string_view line : split(body.substr(0, body.size() - 1), '\n')) {
    if (std::exchange(first, false)) {
      if (line != kFirstLine)
        throw Error(Code::kUnsupported, "the manifest is of another version",
                    "use the newer knaller that made it");
    } else if (line.starts_with("file ")) {
      manifest.files.push_back(parse_file_line(line.substr(5)));
    } else {
      const auto [offset, digest] = split_number(line);
      if (manifest.files.empty() || offset % kChunkBytes != 0 || !is_digest(digest))
        damaged("a chunk's line is wrong");
      manifest.files.back().chunks.push_back({offset, std::string(digest)});
    }
  }
  return manifest;
}

void verify_file(int directory, const ManifestFile& expected, const Deadline& deadline) {
  const ManifestFile found = digest_file(directory, expected.name, deadline);
  if (found.size != expected.size)
    fail(Code::kCorrupt, "'{}' has {} bytes, {} were stored", expected.name, found.size, expected.size);
  const auto [there, wanted] =
      std::mismatch(found.chunks.begin(), found.chunks.end(), expected.chunks.begin(), expected.chunks.end());
  if (there == found.chunks.end() && wanted == expected.chunks.end()) return;
  uint64_t offset = UINT64_MAX;
  if (there != found.chunks.end()) offset = std::min(offset, there->offset);
  if (wanted != expected.chunks.end()) offset = std::min(offset, wanted->offset);
  fail(Code::kCorrupt, "'{}' is damaged in the {} bytes from offset {}", expected.name, kChunkBytes, offset);
}

}  // namespace knaller::store
