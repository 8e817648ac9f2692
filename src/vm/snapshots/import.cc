#include "vm/snapshots/import.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "portable/chunk_writer.h"
#include "portable/layout.h"
#include "portable/tar.h"
#include "store/digest.h"
#include "store/layout.h"
#include "vm/snapshots/arrival.h"
#include "vm/snapshots/import_directory.h"
#include "vm/snapshots/snapshot.h"

namespace knaller::vm {
namespace {

using portable::ChunkWriter;
using portable::TarEntry;
using store::kChunkBytes;
using store::ManifestFile;

size_t read_some(int fd, char* buffer, size_t size, const Deadline& deadline) {
  while (true) {
    wait_readable(fd, deadline, "the stream");
    const ssize_t got = ::read(fd, buffer, size);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR && errno != EAGAIN) fail_errno("read the stream");
  }
}

// What of `data` lies in the chunk from `offset`; `from` is the first piece that may.
class ChunkFiller {
 public:
  ChunkFiller(portable::TarReader& tar, const std::vector<Extent>& data) : tar_(tar), data_(data) {}

  bool at_end() const { return at_ == data_.size(); }
  uint64_t next_chunk() const { return std::max(data_[at_].begin, position_) / kChunkBytes * kChunkBytes; }

  void fill(char* buffer, const Extent& chunk) {
    uint64_t filled = chunk.begin;
    while (!at_end() && data_[at_].begin < chunk.end) {
      const uint64_t begin = std::max(data_[at_].begin, chunk.begin);
      const uint64_t end = std::min(data_[at_].end, chunk.end);
      std::fill(buffer + (filled - chunk.begin), buffer + (begin - chunk.begin), '\0');
      tar_.read(buffer + (begin - chunk.begin), end - begin);
      filled = position_ = end;
      if (end < data_[at_].end) break;
      ++at_;
    }
    std::fill(buffer + (filled - chunk.begin), buffer + chunk.size(), '\0');
  }

 private:
  portable::TarReader& tar_;
  const std::vector<Extent>& data_;
  size_t at_ = 0;
  uint64_t position_ = 0;
};

// A stream on its way into the store.
class StreamImport {
 public:
  StreamImport(const Context& context, int fd, const ImportOptions& options, const Deadline& deadline)
      : context_(context),
        fd_(fd),
        deadline_(deadline),
        from_([this](char* buffer, size_t size) { return read_some(fd_, buffer, size, deadline_); }),
        tar_(from_),
        arrival_(context, options, deadline) {}

  ImportResult run() {
    context_.step("importing a snapshot");
    const PhaseTimer timer(context_, "import");
    if (!take_manifest()) return already_there();
    if (name_of(next_entry()) != layout::kMetadata)
      fail(Code::kCorrupt, "'{}' does not follow behind its manifest", layout::kMetadata);
    arrival_.describe(small_file(entry_, portable::kLargestSmallFile));
    while (tar_.next(entry_)) take(name_of(entry_));
    writer_.finish();
    tell_progress(total_);
    return arrival_.publish(labels_);
  }

 private:
  TarEntry& next_entry() {
    if (!tar_.next(entry_)) fail(Code::kCorrupt, "the archive ends too early");
    return entry_;
  }

  std::string small_file(const TarEntry& entry, uint64_t most) {
    const std::string name = printable(entry.path.substr(0, 80));
    if (entry.size > most) fail(Code::kCorrupt, "'{}' has {} bytes", name, entry.size);
    if (entry.data_bytes() != entry.size) fail(Code::kCorrupt, "'{}' has holes", name);
    std::string text(entry.size, '\0');
    tar_.read(text.data(), text.size());
    return text;
  }

  // "snap_0a1b2c3d/manifest"; anything else first is no snapshot.
  bool take_manifest() {
    const TarEntry& entry = next_entry();
    const size_t slash = entry.path.find('/');
    const std::string folder = entry.path.substr(0, slash);
    if (slash == std::string::npos || entry.path.substr(slash + 1) != layout::kManifest ||
        !store::SnapshotId::is_valid(folder))
      throw Error(Code::kCorrupt,
                  fmt::format("the archive begins with '{}', not with a snapshot's manifest",
                              printable(entry.path.substr(0, 80))),
                  "only what `knaller snapshot export` wrote can be imported");
    folder_ = folder;
    const std::string text = small_file(entry, store::kLargestManifest);
    if (!arrival_.expect(store::SnapshotId::parse(folder), store::parse_manifest(text))) return false;
    for (const ManifestFile& file : arrival_.manifest().files)
      for (const store::ManifestChunk& chunk : file.chunks)
        total_ += std::min(kChunkBytes, file.size - chunk.offset);
    context_.step(fmt::format("importing {}", folder));
    return true;
  }

  // Whoever writes into a pipe is not to fail because nobody wants it any more.
  ImportResult already_there() {
    struct stat info {};
    if (::fstat(fd_, &info) == 0 && !S_ISREG(info.st_mode)) {
      std::vector<char> buffer(256 << 10);
      while (read_some(fd_, buffer.data(), buffer.size(), deadline_) > 0) continue;
    }
    return {.snapshot = describe_snapshot(context_, arrival_.id_there()), .was_there = true};
  }

  std::string name_of(const TarEntry& entry) const {
    const std::string shown = printable(entry.path.substr(0, 80));
    if (entry.path.starts_with('/')) fail(Code::kCorrupt, "the archive holds an absolute name, '{}'", shown);
    if (!entry.path.starts_with(folder_ + "/"))
      fail(Code::kCorrupt, "the archive holds '{}', which is not in the snapshot's folder", shown);
    return entry.path.substr(folder_.size() + 1);
  }

  void take(const std::string& name) {
    deadline_.check("the import");
    if (name == portable::kLeftOut) {
      if (left_out_seen_ || data_seen_) fail(Code::kCorrupt, "'{}' comes twice, or too late", name);
      left_out_seen_ = true;
      arrival_.link_left_out(
          portable::parse_left_out(small_file(entry_, portable::kLargestSmallFile), arrival_.manifest()));
    } else if (name == layout::kLabels) {
      if (labels_seen_) fail(Code::kCorrupt, "'{}' comes twice", name);
      labels_seen_ = true;
      labels_ = store::parse_labels(small_file(entry_, portable::kLargestSmallFile));
      check_labels_from_outside(labels_);
    } else {
      data_seen_ = true;
      take_file(arrival_.expected(name));
    }
  }

  void take_file(const ManifestFile& file) {
    if (entry_.size != file.size)
      fail(Code::kCorrupt, "'{}' has {} bytes, and its manifest says {}", file.name, entry_.size, file.size);
    open_files_.push_back(arrival_.make_file(file.name, entry_.data_bytes()));
    ChunkFiller filler(tar_, entry_.data);
    auto stored = file.chunks.begin();
    while (!filler.at_end()) {
      const uint64_t offset = filler.next_chunk();
      if (stored != file.chunks.end() && stored->offset < offset) missing(file, stored->offset);
      const bool known = stored != file.chunks.end() && stored->offset == offset;
      ChunkWriter::Chunk chunk{.fd = open_files_.back().get(),
                               .file = file.name,
                               .offset = offset,
                               .size = std::min(kChunkBytes, file.size - offset),
                               .kind = file.kind,
                               .digest = known ? std::string_view((stored++)->digest) : "",
                               .data = writer_.buffer()};
      deadline_.check("the import");
      filler.fill(chunk.data.get(), {offset, offset + chunk.size});
      if (known) tell_progress(done_ + chunk.size);
      writer_.put(std::move(chunk));
    }
    if (stored != file.chunks.end()) missing(file, stored->offset);
  }

  [[noreturn]] static void missing(const ManifestFile& file, uint64_t offset) {
    fail(Code::kCorrupt, "'{}' has a hole at offset {}, where its manifest has data", file.name, offset);
  }

  void tell_progress(uint64_t done) {
    done_ = done;
    context_.tell({.kind = EventKind::kProgress, .done = done, .total = total_});
  }

  const Context& context_;
  int fd_;
  const Deadline& deadline_;
  portable::Decompressor from_;
  portable::TarReader tar_;
  Arrival arrival_;
  std::string folder_;
  TarEntry entry_;
  store::SnapshotLabels labels_;
  bool left_out_seen_ = false;
  bool labels_seen_ = false;
  bool data_seen_ = false;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  std::vector<UniqueFd> open_files_;
  ChunkWriter writer_;  // last: its threads end before what they use goes
};

ImportResult import_path(const Context& context, const ImportOptions& options, const Deadline& deadline) {
  const std::string& path = options.path;
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) fail_errno("look at '{}'", path);
  if (S_ISDIR(info.st_mode)) return import_directory(context, fd.get(), options, deadline);
  return StreamImport(context, fd.get(), options, deadline).run();
}

}  // namespace

ImportResult import_snapshot(const Context& context, const ImportOptions& options) {
  if (options.path.empty() == (options.input_fd < 0))
    fail(Code::kInvalidArgument, "an import comes either from a path or from a descriptor");
  const Deadline deadline = Deadline::never(options.stop);
  const std::string what = options.path.empty() ? "a stream" : fmt::format("'{}'", printable(options.path));
  return in_context([&] { return fmt::format("import a snapshot from {}", what); },
                    [&] {
                      return options.path.empty()
                                 ? StreamImport(context, options.input_fd, options, deadline).run()
                                 : import_path(context, options, deadline);
                    });
}

}  // namespace knaller::vm
