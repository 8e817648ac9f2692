#include "vm/snapshots/extract_sink.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/tar_writer.h"
#include "base/text.h"

namespace knaller::vm {
namespace {

using disk::FileInfo;
using disk::Stretch;

constexpr uint64_t kPiece = 1 << 20;

class FolderSink : public ExtractSink {
 public:
  explicit FolderSink(UniqueFd folder) : tree_(std::move(folder)) {}

  void directory(const PathParts& path, const FileInfo& info) override {
    tree_.make_directory(path, attributes_of(info));
  }

  void file(const PathParts& path, const FileInfo& info, const std::vector<Stretch>& data,
            const Read& read) override {
    auto file = tree_.make_file(path);
    std::string buffer;
    for (const Stretch& stretch : data) {
      for (uint64_t at = 0; at < stretch.bytes; at += buffer.size()) {
        buffer.resize(std::min(kPiece, stretch.bytes - at));
        read(stretch, at, buffer.data(), buffer.size());
        file.write_at(buffer, stretch.begin + at);
      }
    }
    file.set_size(info.size);
    file.commit(attributes_of(info));
  }

  void symlink(const PathParts& path, const FileInfo& info, const std::string& target) override {
    tree_.make_symlink(path, target, attributes_of(info));
  }
  void hard_link(const PathParts& path, const PathParts& existing) override {
    tree_.make_hard_link(path, existing);
  }
  void finish() override { tree_.finish(); }

 private:
  static FileAttributes attributes_of(const FileInfo& info) {
    return {.mode = info.mode & 07777, .modified = info.modified};
  }

  ConfinedTree tree_;
};

class TarSink : public ExtractSink {
 public:
  explicit TarSink(const std::function<void(std::string_view)>& write)
      : tar_([&write](std::string_view piece) {
          write(piece);
          return true;
        }) {}

  void directory(const PathParts& path, const FileInfo& info) override {
    if (!path.empty()) tar_.add(entry(path, info));
  }

  void file(const PathParts& path, const FileInfo& info, const std::vector<Stretch>& data,
            const Read& read) override {
    TarEntry header = entry(path, info);
    header.size = info.size;
    for (const Stretch& stretch : data) header.data.push_back({stretch.begin, stretch.begin + stretch.bytes});
    tar_.add(header);
    uint64_t at = 0;
    for (const Stretch& stretch : data) {
      tar_.write_zeros(stretch.begin - at);
      write_stretch(stretch, read);
      at = stretch.begin + stretch.bytes;
    }
    tar_.write_zeros(info.size - at);
  }

  void symlink(const PathParts& path, const FileInfo& info, const std::string& target) override {
    TarEntry header = entry(path, info);
    header.symlink = target;
    tar_.add(header);
  }

  void hard_link(const PathParts& path, const PathParts& existing) override {
    TarEntry header = entry(path, {.mode = S_IFREG | 0600});
    header.hard_link = name_of(existing);
    tar_.add(header);
  }

  void finish() override { tar_.finish(); }

 private:
  static std::string name_of(const PathParts& path) { return fmt::format("{}", fmt::join(path, "/")); }

  static TarEntry entry(const PathParts& path, const FileInfo& info) {
    return {.path = name_of(path),
            .mode = info.mode & (S_IFMT | 0777),
            .modified = info.modified,
            .owner = info.uid,
            .group = info.gid};
  }

  void write_stretch(const Stretch& stretch, const Read& read) {
    for (uint64_t at = 0; at < stretch.bytes; at += buffer_.size()) {
      buffer_.resize(std::min(kPiece, stretch.bytes - at));
      read(stretch, at, buffer_.data(), buffer_.size());
      tar_.write(buffer_);
    }
  }

  std::string buffer_;
  TarWriter tar_;
};

}  // namespace

std::unique_ptr<ExtractSink> make_folder_sink(const std::string& folder) {
  if (!exists(folder)) make_directories(folder, 0777);
  return std::make_unique<FolderSink>(open_directory(folder));
}

std::unique_ptr<ExtractSink> make_tar_sink(const std::function<void(std::string_view)>& write) {
  return std::make_unique<TarSink>(write);
}

}  // namespace knaller::vm
