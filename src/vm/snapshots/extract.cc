#include "vm/snapshots/extract.h"

#include <sys/stat.h>

#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "disk/walk_guard.h"
#include "vm/snapshots/extract_sink.h"
#include "vm/snapshots/snapshot.h"
#include "vm/snapshots/snapshot_disk.h"

namespace knaller::vm {
namespace {

using disk::DiskTree;

constexpr size_t kMostSkippedNames = 100;

// The name that a path's file gets; none for "/": its contents alone.
PathParts name_of(std::string_view path) {
  if (path.empty() || path.size() > 4096 || path.find('\0') != std::string_view::npos)
    fail(Code::kInvalidArgument, "'{}' is not a path on a disk", printable(path.substr(0, 200)));
  PathParts parts;
  for (const std::string_view part : split(path, '/')) {
    if (part == "..")
      throw Error(Code::kInvalidArgument, fmt::format("'{}' has '..' in it", printable(path)),
                  "name the file by its path from '/'");
    if (!part.empty() && part != ".") parts = {std::string(part)};
  }
  return parts;
}

void check_paths(const std::vector<std::string>& paths) {
  if (paths.empty()) fail(Code::kInvalidArgument, "there is no path to extract");
  std::set<PathParts> names;
  for (const std::string& path : paths)
    if (!names.insert(name_of(path)).second)
      throw Error(Code::kInvalidArgument,
                  fmt::format("two of the paths would both become '{}'",
                              printable(fmt::format("{}", fmt::join(name_of(path), "/")))),
                  "extract them into different folders");
}

class Extractor {
 public:
  Extractor(const Context& context, const DiskTree& tree, ExtractSink& sink, const Deadline& deadline,
            ExtractResult& result)
      : context_(context),
        tree_(tree),
        unused_guard_(tree),
        sink_(sink),
        deadline_(deadline),
        result_(result) {}

  void extract(const std::string& path) {
    DiskTree::Node node;
    try {
      node = tree_.find(path);
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) throw;
      result_.missing.push_back(path);
      return;
    }
    disk::WalkGuard guard = unused_guard_;
    copy(node, name_of(path), std::string(trim(path)), guard);
  }

 private:
  // `shown`: as the guest calls it.
  void copy(const DiskTree::Node& node, const PathParts& target, const std::string& shown,
            disk::WalkGuard& guard) {
    deadline_.check("the extraction of files");
    const disk::FileInfo info = tree_.info(node);
    if (S_ISDIR(info.mode)) {
      const auto children = unless_unsupported([&] {
        guard.enter(node, shown);
        return tree_.children(node, shown);
      });
      if (children)
        copy_folder(*children, info, target, shown, guard);
      else
        skip(shown);
    } else if (S_ISREG(info.mode)) {
      if (const auto data = unless_unsupported([&] { return tree_.data_of(node); }))
        copy_file(node, info, *data, target, guard);
      else
        skip(shown);
    } else if (S_ISLNK(info.mode)) {
      const auto link = unless_unsupported([&] { return tree_.link_target(node); });
      if (!link) return skip(shown);
      guard.take(0, info, node);
      ++result_.files;
      sink_.symlink(target, info, *link);
    } else {
      skip(shown);
    }
  }

  // Nothing for what is encrypted, say: it keeps nobody from having the rest.
  template <typename Read>
  static auto unless_unsupported(Read&& read) -> std::optional<decltype(read())> {
    try {
      return read();
    } catch (const Error& error) {
      if (error.code() != Code::kUnsupported) throw;
      return std::nullopt;
    }
  }

  void skip(const std::string& shown) {
    if (result_.skipped.size() < kMostSkippedNames) result_.skipped.push_back(shown);
  }

  void copy_folder(const std::map<std::string, DiskTree::Node>& children, const disk::FileInfo& info,
                   const PathParts& target, const std::string& shown, disk::WalkGuard& guard) {
    if (!target.empty()) ++result_.files;
    sink_.directory(target, info);
    const std::string below = shown.ends_with('/') ? shown : shown + "/";
    for (const auto& [name, child] : children) {
      PathParts inside = target;
      inside.push_back(name);
      copy(child, inside, below + name, guard);
    }
  }

  void copy_file(const DiskTree::Node& node, const disk::FileInfo& info,
                 const std::vector<disk::Stretch>& data, const PathParts& target, disk::WalkGuard& guard) {
    ++result_.files;
    guard.take(disk::bytes_in(data), info, node);
    if (info.links > 1) {
      const auto [first, is_new] =
          linked_.emplace(std::pair(node.place == DiskTree::Place::kBase, node.inode), target);
      if (!is_new) return sink_.hard_link(target, first->second);
      for (const std::string& part : target) kept_.add(sizeof part + part.size());
    }
    sink_.file(target, info, data,
               [&](const disk::Stretch& stretch, uint64_t skip, char* buffer, size_t size) {
                 deadline_.check("the extraction of files");
                 tree_.read(node, stretch, skip, buffer, size);
                 result_.bytes += size;
                 context_.tell({.kind = EventKind::kProgress, .text = "extracting", .done = result_.bytes});
               });
  }

  const Context& context_;
  const DiskTree& tree_;
  const disk::WalkGuard unused_guard_;
  disk::KeptBytes kept_;
  ExtractSink& sink_;
  const Deadline& deadline_;
  ExtractResult& result_;
  std::map<std::pair<bool, disk::InodeNumber>, PathParts> linked_;
};

}  // namespace

ExtractResult extract_snapshot(const Context& context, const ExtractOptions& options) {
  check_paths(options.paths);
  const store::SnapshotId id = find_snapshot(context, options.snapshot);
  return in_context([&] { return fmt::format("extract files from {}", id.str()); },
                    [&] {
                      const UniqueFd directory = context.home.open_entry(store::Kind::kSnapshot, id.str());
                      const store::SnapshotRecord record = store::read_snapshot_record(directory.get(), id);
                      const DiskTree tree = open_snapshot_disk(directory.get(), record);
                      const auto sink =
                          options.tar ? make_tar_sink(options.tar) : make_folder_sink(options.destination);
                      const Deadline deadline = Deadline::never(options.stop);
                      ExtractResult result{.id = id.str()};
                      Extractor extractor(context, tree, *sink, deadline, result);
                      for (const std::string& path : options.paths) extractor.extract(path);
                      sink->finish();
                      return result;
                    });
}

}  // namespace knaller::vm
