#include "vm/snapshots/export.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "portable/layout.h"
#include "portable/scan_ahead.h"
#include "portable/tar.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/manifest.h"
#include "vm/home/layout.h"
#include "vm/snapshots/output_file.h"
#include "vm/snapshots/snapshot.h"
#include "vm/snapshots/snapshot_files.h"

namespace knaller::vm {
namespace {

using store::Kind;
using store::ManifestFile;

constexpr size_t kPieceBytes = 1 << 20;

// What is small and what a reader wants to know first; memory, which is the largest, last.
int rank_of(std::string_view name) {
  constexpr std::array<std::string_view, 8> kOrder{layout::kState,  layout::kSshKey, layout::kKernel,
                                                   layout::kInitrd, layout::kBase,   layout::kDisk,
                                                   layout::kRootfs, layout::kMemory};
  const auto found = std::find(kOrder.begin(), kOrder.end(), name);
  return name == layout::kMemory ? 100 : static_cast<int>(found - kOrder.begin());
}

struct OpenFile {
  const ManifestFile* file;
  UniqueFd fd;
};

// One snapshot on its way out.
class Export {
 public:
  Export(const Context& context, const ExportOptions& options, const store::SnapshotId& id)
      : context_(context),
        options_(options),
        id_(id),
        deadline_(Deadline::never(options.stop)),
        directory_(context.home.open_entry(Kind::kSnapshot, id.str())) {}

  // Everything that can be refused, before a byte is written.
  void open() {
    record_ = store::read_snapshot_record(directory_.get(), id_);
    if (record_.is_foreign())
      throw Error(Code::kUnsupported, "it is of the Go program, which stores no digests",
                  fmt::format("make it one of knaller's: knaller snapshot import {}",
                              context_.home.path_of(Kind::kSnapshot, id_.str())));
    check_snapshot_files(directory_.get(), record_, false, deadline_);
    manifest_text_ = store::read_entry_file(directory_.get(), layout::kManifest, store::kLargestManifest);
    manifest_ = store::parse_manifest(manifest_text_);
    metadata_ = store::read_entry_file(directory_.get(), layout::kMetadata);
    labels_ = store::read_labels(directory_.get());
    // This home's word.
    labels_.is_protected = false;
    labels_.imported.reset();
    for (const ManifestFile& file : manifest_.files) {
      if (file.name == layout::kMetadata) continue;
      if (options_.thin && layout::comes_from_image(file.name))
        left_out_.push_back(file.name);
      else
        files_.push_back({&file, open_untrusted(directory_.get(), file.name)});
    }
    std::sort(files_.begin(), files_.end(), [](const OpenFile& a, const OpenFile& b) {
      return std::pair(rank_of(a.file->name), a.file->name) < std::pair(rank_of(b.file->name), b.file->name);
    });
    std::sort(left_out_.begin(), left_out_.end());
  }

  ExportResult write_to(int fd) {
    context_.step(fmt::format("exporting {}", id_.str()));
    const PhaseTimer timer(context_, "export");
    OutputStream out(fd);
    portable::Compressor compressor([&](std::string_view data) { out.write(data, deadline_); },
                                    options_.level, options_.threads);
    const portable::Sink sink = [&](std::string_view data) { compressor.write(data); };
    portable::TarWriter tar(sink, std::chrono::system_clock::to_time_t(record_.created_at));
    for (const OpenFile& open : files_) total_ += stored_bytes(*open.file);
    write_entries(tar);
    tar.finish();
    compressor.finish();
    return {.snapshot = describe_snapshot(context_, id_),
            .data_bytes = data_bytes_,
            .stream_bytes = out.written(),
            .has_key = manifest_.find(layout::kSshKey) != nullptr,
            .left_out = left_out_};
  }

 private:
  static uint64_t stored_bytes(const ManifestFile& file) {
    uint64_t bytes = 0;
    for (const store::ManifestChunk& chunk : file.chunks)
      bytes += std::min(store::kChunkBytes, file.size - chunk.offset);
    return bytes;
  }

  void write_entries(portable::TarWriter& tar) {
    tar.add(id_.str(), layout::kManifest, manifest_text_);
    tar.add(id_.str(), layout::kMetadata, metadata_);
    if (!left_out_.empty())
      tar.add(id_.str(), portable::kLeftOut, fmt::format("{}\n", fmt::join(left_out_, "\n")));
    if (!labels_.name.empty() || !labels_.labels.empty())
      tar.add(id_.str(), layout::kLabels, store::to_text(labels_));
    std::vector<portable::ScannedFile> wanted;
    for (const OpenFile& open : files_) wanted.push_back({open.fd.get(), open.file});
    portable::ScanAhead scan(std::move(wanted), options_.stop);
    for (size_t at = 0; at < files_.size(); ++at)
      write_file(tar, *files_[at].file, files_[at].fd.get(), scan.data_of(at));
  }

  void write_file(portable::TarWriter& tar, const ManifestFile& file, int fd,
                  const std::vector<Extent>& data) {
    if (file_size(fd) != file.size) fail(Code::kCorrupt, "'{}' was changed meanwhile", printable(file.name));
    tar.begin_file(id_.str(), file.name, file.size, data);
    std::vector<char> buffer(kPieceBytes);
    const uint64_t before = done_;
    for (const Extent& extent : data)
      for (uint64_t at = extent.begin; at < extent.end;) {
        const size_t size = std::min<uint64_t>(buffer.size(), extent.end - at);
        deadline_.check("the snapshot's files");
        read_at(fd, buffer.data(), size, at);
        tar.write({buffer.data(), size});
        at += size;
        data_bytes_ += size;
        tell_progress(done_ + size);
      }
    tar.end_file();
    // In the total are whole chunks.
    tell_progress(before + stored_bytes(file));
  }

  void tell_progress(uint64_t done) {
    done_ = done;
    context_.tell({.kind = EventKind::kProgress, .done = done_, .total = total_});
  }

  const Context& context_;
  const ExportOptions& options_;
  store::SnapshotId id_;
  Deadline deadline_;
  UniqueFd directory_;
  store::SnapshotRecord record_;
  std::string manifest_text_;
  store::Manifest manifest_;
  std::string metadata_;
  store::SnapshotLabels labels_;
  std::vector<OpenFile> files_;  // as they follow on one another in the stream
  std::vector<std::string> left_out_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  uint64_t data_bytes_ = 0;
};

ExportResult write_file(Export& job, const ExportOptions& options) {
  const auto existing = options.replace ? OutputFile::Existing::kReplaced : OutputFile::Existing::kRefused;
  OutputFile file(options.file, existing);
  const ExportResult result = job.write_to(file.fd());
  file.publish();
  return result;
}

}  // namespace

ExportResult export_snapshot(const Context& context, const ExportOptions& options) {
  if (options.file.empty() == (options.output_fd < 0))
    fail(Code::kInvalidArgument, "an export goes either to a file or to a descriptor");
  const store::SnapshotId id = find_snapshot(context, options.snapshot);
  return in_context([&] { return fmt::format("export snapshot {}", id.str()); },
                    [&] {
                      Export job(context, options, id);
                      job.open();
                      return options.file.empty() ? job.write_to(options.output_fd)
                                                  : write_file(job, options);
                    });
}

}  // namespace knaller::vm
