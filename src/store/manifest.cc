#include "store/manifest.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "store/fields.h"
#include "store/sha256.h"

namespace knaller::store {
namespace {

constexpr size_t kMostFiles = 256;
constexpr std::string_view kFirstLineOfPlain = "knaller-manifest 1";
constexpr std::string_view kFirstLine = "knaller-manifest 2";

std::string_view first_line(DigestKind kind) {
  return kind == DigestKind::kPlain ? kFirstLineOfPlain : kFirstLine;
}

std::optional<DigestKind> kind_of(std::string_view line) {
  for (const DigestKind kind : {DigestKind::kPlain, DigestKind::kTree})
    if (line == first_line(kind)) return kind;
  return std::nullopt;
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
  if (!number) damaged("a number is not one");
  return {static_cast<uint64_t>(*number), line.substr(space + 1)};
}

bool may_follow(const ManifestFile& file, uint64_t offset) {
  return offset % kChunkBytes == 0 && offset < file.size &&
         (file.chunks.empty() || file.chunks.back().offset < offset);
}

ManifestFile parse_file_line(std::string_view line) {
  const size_t space = line.rfind(' ');
  if (space == std::string_view::npos) damaged("a line is incomplete");
  const auto size = parse_integer(line.substr(space + 1), 0, INT64_MAX);
  const std::string_view name = line.substr(0, space);
  if (!size || name.empty() || name.find('/') != std::string_view::npos || name.starts_with('.'))
    damaged("a file's line is wrong");
  return {.name = std::string(name), .size = static_cast<uint64_t>(*size)};
}

ChunkTask chunk_task(int fd, const ManifestFile& file, size_t number, uint64_t offset) {
  return {.fd = fd,
          .name = file.name,
          .file = number,
          .offset = offset,
          .size = std::min(kChunkBytes, file.size - offset),
          .kind = file.kind};
}

std::optional<Damage> damaged_as_a_whole(const ManifestFile& file, const UniqueFd& fd) {
  const uint64_t size = file_size(fd.get());
  if (size == file.size) return std::nullopt;
  return Damage{file.name, std::nullopt,
                fmt::format("'{}' has {} bytes, {} were stored", printable(file.name), size, file.size)};
}

Damage damaged_at(const ManifestFile& file, uint64_t offset) {
  return {file.name, offset,
          fmt::format("'{}' is damaged in the {} bytes from offset {}", printable(file.name),
                      std::min(kChunkBytes, file.size - offset), offset)};
}

const KnownFile* find_known(const std::vector<KnownFile>& known, const ManifestFile& file) {
  const auto found = std::ranges::find_if(known, [&](const KnownFile& before) {
    return before.file.name == file.name && before.file.size == file.size && before.file.kind == file.kind;
  });
  return found == known.end() ? nullptr : &*found;
}

bool may_differ(const KnownFile& before, uint64_t chunk) {
  const auto next = std::ranges::upper_bound(before.changed, chunk, {}, &Extent::end);
  return next != before.changed.end() && next->begin < chunk + kChunkBytes;
}

// The chunks of each file that must be looked at, and where the first one lies that is not as stored.
class Verification {
 public:
  explicit Verification(const Manifest& manifest)
      : manifest_(manifest),
        open_files_(manifest.files.size()),
        damages_(manifest.files.size()),
        first_bad_(std::make_unique<std::atomic<uint64_t>[]>(manifest.files.size())) {}

  // Chunks with data, here or when it was stored; those that are holes now and were not need no reading.
  void open(int directory, size_t number) {
    const ManifestFile& file = manifest_.files[number];
    first_bad_[number] = UINT64_MAX;
    try {
      const UniqueFd& fd = open_files_[number] = open_untrusted(directory, file.name);
      damages_[number] = damaged_as_a_whole(file, fd);
      if (!damages_[number]) add_tasks(number, chunks_with_data(fd.get(), file.size));
    } catch (const Error& error) {
      if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
      damages_[number] = Damage{file.name, std::nullopt, error.message()};
    }
  }

  void read(const Deadline& deadline, const ByteProgress& progress) {
    digest_chunks(tasks_,
                  {.wanted = [this](const ChunkTask& task) { return task.offset < first_bad_[task.file]; },
                   .take =
                       [this](size_t task, const std::string& digest) {
                         if (digest != expected_[task]) bad_at(tasks_[task].file, tasks_[task].offset);
                       },
                   .progress = progress},
                  deadline);
  }

  std::vector<Damage> damages() const {
    std::vector<Damage> found;
    for (size_t number = 0; number < damages_.size(); ++number) {
      if (damages_[number]) found.push_back(*damages_[number]);
      if (first_bad_[number] != UINT64_MAX)
        found.push_back(damaged_at(manifest_.files[number], first_bad_[number]));
    }
    return found;
  }

 private:
  void add_tasks(size_t number, const std::vector<uint64_t>& with_data) {
    const ManifestFile& file = manifest_.files[number];
    auto stored = file.chunks.begin();
    const auto lost_before = [&](uint64_t offset) {
      for (; stored != file.chunks.end() && stored->offset < offset; ++stored) bad_at(number, stored->offset);
    };
    for (const uint64_t offset : with_data) {
      lost_before(offset);
      const bool known = stored != file.chunks.end() && stored->offset == offset;
      expected_.push_back(known ? (stored++)->digest : std::string());
      tasks_.push_back(chunk_task(open_files_[number].get(), file, number, offset));
    }
    lost_before(UINT64_MAX);
  }

  void bad_at(size_t number, uint64_t offset) {
    uint64_t before = first_bad_[number];
    while (offset < before && !first_bad_[number].compare_exchange_weak(before, offset)) continue;
  }

  const Manifest& manifest_;
  std::vector<UniqueFd> open_files_;
  std::vector<std::optional<Damage>> damages_;
  std::unique_ptr<std::atomic<uint64_t>[]> first_bad_;
  std::vector<ChunkTask> tasks_;
  std::vector<std::string> expected_;  // of each task; empty: all zero
};

}  // namespace

const ManifestFile* Manifest::find(std::string_view name) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const auto& file) { return file.name == name; });
  return found == files.end() ? nullptr : &*found;
}

ManifestFile describe_file(const std::string& name, std::string_view content, DigestKind kind) {
  ManifestFile file{.name = name, .size = content.size(), .kind = kind};
  for (uint64_t offset = 0; offset < content.size(); offset += kChunkBytes) {
    std::string digest = chunk_digest(kind, content.substr(offset, kChunkBytes));
    if (!digest.empty()) file.chunks.push_back({offset, std::move(digest)});
  }
  return file;
}

ManifestFile digest_file(int directory, const std::string& name, const Deadline& deadline) {
  return make_manifest(directory, {name}, deadline).files.front();
}

Manifest make_manifest(int directory, const std::vector<std::string>& names, const Deadline& deadline,
                       const ManifestOptions& options) {
  Manifest manifest;
  std::vector<UniqueFd> open_files;
  std::vector<ChunkTask> tasks;
  manifest.files.reserve(names.size());  // the tasks refer to the names in it
  for (const std::string& name : names) {
    const UniqueFd& fd = open_files.emplace_back(open_untrusted(directory, name));
    ManifestFile& file = manifest.files.emplace_back(ManifestFile{.name = name, .size = file_size(fd.get())});
    const KnownFile* const before = find_known(options.known, file);
    if (before != nullptr) {
      std::ranges::copy_if(before->file.chunks, std::back_inserter(file.chunks),
                           [&](const ManifestChunk& chunk) { return !may_differ(*before, chunk.offset); });
      if (before->changed.empty()) continue;
    }
    // First, for while they are written to the file nobody else can look for its holes.
    if (name == options.held_of) {
      for (const HeldChunk& chunk : options.held) {
        tasks.push_back(chunk_task(fd.get(), file, open_files.size() - 1, chunk.offset));
        tasks.back().bytes = chunk.bytes;
      }
    }
    for (const uint64_t offset : chunks_with_data(fd.get(), file.size))
      if (before == nullptr || may_differ(*before, offset))
        tasks.push_back(chunk_task(fd.get(), file, open_files.size() - 1, offset));
  }
  std::vector<std::string> digests(tasks.size());
  digest_chunks(tasks,
                {.first = options.write_held,
                 .take = [&](size_t task, std::string digest) { digests[task] = std::move(digest); },
                 .progress = options.progress},
                deadline);
  for (size_t at = 0; at < tasks.size(); ++at)
    if (!digests[at].empty())
      manifest.files[tasks[at].file].chunks.push_back({tasks[at].offset, std::move(digests[at])});
  for (ManifestFile& file : manifest.files) std::ranges::sort(file.chunks, {}, &ManifestChunk::offset);
  return manifest;
}

std::string to_text(const Manifest& manifest) {
  std::string text = fmt::format("{}\n", first_line(manifest.kind()));
  for (const ManifestFile& file : manifest.files) {
    text += fmt::format("file {} {}\n", file.name, file.size);
    for (const ManifestChunk& chunk : file.chunks) text += fmt::format("{} {}\n", chunk.offset, chunk.digest);
  }
  return text + fmt::format("end {}\n", sha256_hex(text));
}

Manifest parse_manifest(std::string_view text) {
  const size_t end = text.rfind("end ");
  if (end == std::string_view::npos || end == 0 || text[end - 1] != '\n') damaged("its last line is missing");
  const std::string_view body = text.substr(0, end);
  if (text.substr(end) != fmt::format("end {}\n", sha256_hex(body))) damaged("its own digest does not match");

  Manifest manifest;
  std::optional<DigestKind> kind;
  for (const std::string_view line : split(body.substr(0, body.size() - 1), '\n')) {
    if (!kind) {
      kind = kind_of(line);
      if (!kind)
        throw Error(Code::kUnsupported, "the manifest is of another version",
                    "use the newer knaller that made it");
    } else if (line.starts_with("file ")) {
      if (manifest.files.size() == kMostFiles) damaged("it names too many files");
      ManifestFile file = parse_file_line(line.substr(5));
      file.kind = *kind;
      if (manifest.find(file.name) != nullptr) damaged("it names a file twice");
      manifest.files.push_back(std::move(file));
    } else {
      const auto [offset, digest] = split_number(line);
      if (manifest.files.empty() || !may_follow(manifest.files.back(), offset) || !is_digest(digest))
        damaged("a chunk's line is wrong");
      manifest.files.back().chunks.push_back({offset, std::string(digest)});
    }
  }
  // One content has one manifest: no leading zeros, for example.
  if (to_text(manifest) != text) damaged("it is not written as manifests are");
  return manifest;
}

Manifest read_manifest(int directory, const std::string& name) {
  return parse_manifest(read_entry_file(directory, name, kLargestManifest));
}

std::vector<Damage> verify_files(int directory, const Manifest& manifest, const Deadline& deadline,
                                 const ByteProgress& progress) {
  Verification verification(manifest);
  for (size_t number = 0; number < manifest.files.size(); ++number) verification.open(directory, number);
  verification.read(deadline, progress);
  return verification.damages();
}

void verify_file(int directory, const ManifestFile& expected, const Deadline& deadline) {
  const std::vector<Damage> found = verify_files(directory, {{expected}}, deadline);
  if (!found.empty()) throw Error(Code::kCorrupt, found.front().reason);
}

}  // namespace knaller::store
