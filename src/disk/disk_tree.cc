#include "disk/disk_tree.h"

#include <sys/stat.h>

#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "store/layout.h"

namespace knaller::disk {
namespace {

constexpr char kUpperFolder[] = "upper";
constexpr char kWorkFolder[] = "work";
constexpr std::string_view kMountPoint[] = {"var", "lib", "knaller"};
constexpr int8_t kMountDepth = 3;
constexpr size_t kMostLinks = 40;  // as the kernel

// The way to the mount point goes on with that name, or it does not.
int8_t depth_below(int8_t depth, std::string_view name) {
  if (depth < 0 || depth >= kMountDepth) return -1;
  return name == kMountPoint[depth] ? static_cast<int8_t>(depth + 1) : int8_t{-1};
}

[[noreturn]] void fail_redirected(std::string_view what) {
  throw Error(Code::kUnsupported,
              fmt::format("{} has trusted.overlay.redirect or metacopy, which can't be read here", what),
              "boot the disk and copy it out there: knaller start --from-snapshot ID --disk-only");
}

std::string joined(std::string_view path, std::string_view name) {
  return path.empty() || path == "/" ? fmt::format("/{}", name) : fmt::format("{}/{}", path, name);
}

}  // namespace

DiskTree::DiskTree(UniqueFd root) : disk_(std::make_unique<Ext4Reader>(std::move(root), layout::kRootfs)) {}

DiskTree::DiskTree(UniqueFd base, UniqueFd disk)
    : base_(std::make_unique<Ext4Reader>(std::move(base), layout::kBase)),
      disk_(std::make_unique<Ext4Reader>(std::move(disk), layout::kDisk)) {
  const auto names = disk_->names_in(Ext4Reader::kRoot);
  const auto upper = names.find(kUpperFolder);
  if (upper != names.end() && S_ISDIR(disk_->info(upper->second).mode)) upper_ = upper->second;
}

DiskTree::Node DiskTree::root() const {
  if (!base_) return {.place = Place::kPlain, .inode = Ext4Reader::kRoot};
  if (upper_ == 0) return {.place = Place::kBase, .inode = Ext4Reader::kRoot, .depth = 0};
  return {.place = Place::kUpper, .inode = upper_, .below = Ext4Reader::kRoot, .depth = 0};
}

const Ext4Reader& DiskTree::reader_of(const Node& node) const {
  return node.place == Place::kBase ? *base_ : *disk_;
}

FileInfo DiskTree::info(const Node& node) const {
  return reader_of(node).info(node.inode);
}

std::string DiskTree::link_target(const Node& node) const {
  return reader_of(node).link_target(node.inode);
}

std::vector<Stretch> DiskTree::data_of(const Node& node) const {
  if (node.redirected) fail_redirected("a file");
  return reader_of(node).data_of(node.inode);
}

void DiskTree::read(const Node& node, const Stretch& stretch, uint64_t skip, char* buffer,
                    size_t size) const {
  reader_of(node).read(stretch, skip, buffer, size);
}

uint64_t DiskTree::data_bytes() const {
  return disk_->bytes().data_bytes() + (base_ ? base_->bytes().data_bytes() : 0);
}

uint64_t DiskTree::folder_bytes(const Node& directory) const {
  return reader_of(directory).folder_bytes(directory.inode) +
         (directory.below == 0 ? 0 : base_->folder_bytes(directory.below));
}

int DiskTree::base_fd() const {
  return base_ ? base_->bytes().fd() : -1;
}

std::map<std::string, DiskTree::Node> DiskTree::children(const Node& directory, std::string_view path) const {
  if (directory.redirected) fail_redirected(printable(path));
  if (directory.place == Place::kUpper || directory.place == Place::kBase) return merged(directory);
  std::map<std::string, Node> found;
  for (const auto& [name, inode] : disk_->names_in(directory.inode)) {
    const bool is_overlay = directory.place == Place::kMount && (name == kUpperFolder || name == kWorkFolder);
    if (!is_overlay) found.emplace(name, Node{.place = Place::kPlain, .inode = inode});
  }
  return found;
}

// Guests of ours have redirect_dir and metacopy off (Debian's kernels), but follow what somebody else's
// kernel, or root in the guest, put there.
bool DiskTree::is_redirected(InodeNumber inode) const {
  return disk_->attribute(inode, "trusted.overlay.redirect") ||
         disk_->attribute(inode, "trusted.overlay.metacopy");
}

// Nothing for a whiteout.
std::optional<DiskTree::Node> DiskTree::upper_node(InodeNumber inode) const {
  const FileInfo info = disk_->info(inode);
  if (S_ISCHR(info.mode) && info.major == 0 && info.minor == 0) return std::nullopt;
  const bool may_be = S_ISDIR(info.mode) || S_ISREG(info.mode);
  return Node{.place = Place::kUpper, .inode = inode, .redirected = may_be && is_redirected(inode)};
}

DiskTree::Node DiskTree::node_in_base(InodeNumber inode, int8_t depth) const {
  return {.place = Place::kBase, .inode = inode, .depth = depth};
}

std::map<std::string, DiskTree::Node> DiskTree::merged(const Node& directory) const {
  const InodeNumber lower = directory.place == Place::kBase ? directory.inode : directory.below;
  std::map<std::string, InodeNumber> below;
  if (lower != 0) below = base_->names_in(lower);
  std::map<std::string, Node> found;
  for (const auto& [name, inode] : below)
    found.emplace(name, node_in_base(inode, depth_below(directory.depth, name)));
  if (directory.place == Place::kUpper) {
    for (const auto& [name, inode] : disk_->names_in(directory.inode)) {
      found.erase(name);
      auto node = upper_node(inode);
      if (!node) continue;
      node->depth = depth_below(directory.depth, name);
      const auto covered = below.find(name);
      if (covered != below.end() && S_ISDIR(disk_->info(inode).mode) &&
          S_ISDIR(base_->info(covered->second).mode) &&
          disk_->attribute(inode, "trusted.overlay.opaque") != "y")
        node->below = covered->second;
      found.emplace(name, *node);
    }
  }
  for (auto& [name, node] : found)
    if (node.depth == kMountDepth && S_ISDIR(info(node).mode))
      node = {.place = Place::kMount, .inode = Ext4Reader::kRoot};
  return found;
}

namespace {

// Where a look-up stands: the folders from the root to here, with the names by which they were reached.
struct Step {
  DiskTree::Node node;
  std::string path;
};

[[noreturn]] void fail_missing(std::string_view path) {
  fail(Code::kNotFound, "there is no '{}' on the snapshot's disk", printable(path));
}

void push_front(std::vector<std::string>& todo, std::string_view path) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(path, '/'))
    if (!part.empty() && part != ".") parts.emplace_back(part);
  todo.insert(todo.end(), parts.rbegin(), parts.rend());
}

}  // namespace

DiskTree::Node DiskTree::find(std::string_view path) const {
  std::vector<std::string> todo;  // backwards
  push_front(todo, path);
  const bool through = path.ends_with('/') || path.ends_with("/.");
  std::vector<Step> way{{root(), ""}};
  for (size_t links = 0; !todo.empty();) {
    const std::string name = std::move(todo.back());
    todo.pop_back();
    if (name == "..") {
      if (way.size() > 1) way.pop_back();
      continue;
    }
    if (!S_ISDIR(info(way.back().node).mode)) fail_missing(path);
    const auto names = children(way.back().node, way.back().path);
    const auto found = names.find(name);
    if (found == names.end()) fail_missing(path);
    if (found->second.redirected)
      fail_redirected(fmt::format("'{}'", printable(joined(way.back().path, name))));
    if (!S_ISLNK(info(found->second).mode) || (todo.empty() && !through)) {
      way.push_back({found->second, joined(way.back().path, name)});
      continue;
    }
    if (++links > kMostLinks)
      fail(Code::kCorrupt, "'{}' leads through too many links on the snapshot's disk", printable(path));
    const std::string target = link_target(found->second);
    if (target.starts_with('/')) way.erase(way.begin() + 1, way.end());
    push_front(todo, target);
  }
  if (through && !S_ISDIR(info(way.back().node).mode)) fail_missing(path);
  return way.back().node;
}

}  // namespace knaller::disk
