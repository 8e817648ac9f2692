#include "disk/tree_diff.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"
#include "disk/walk_guard.h"

namespace knaller::disk {
namespace {

using Kind = Difference::Kind;
using Node = DiskTree::Node;

constexpr uint64_t kPiece = 256 << 10;

// The content of one file, holes as zeros. Safe for concurrent use.
class Content {
 public:
  Content(const DiskTree& tree, const Node& node) : tree_(&tree), node_(node), data_(tree.data_of(node)) {}

  uint64_t bytes() const { return bytes_in(data_); }
  uint64_t kept_bytes() const { return data_.size() * sizeof(Stretch); }

  // Where the first data at or after `at` begins; `end` when there is none.
  uint64_t next_data(uint64_t at, uint64_t end) const {
    const auto next = behind(at);
    return next == data_.end() ? end : std::max(at, next->begin);
  }

  void read(uint64_t at, std::string& buffer) const {
    std::fill(buffer.begin(), buffer.end(), '\0');
    const uint64_t end = at + buffer.size();
    for (auto next = behind(at); next != data_.end() && next->begin < end; ++next) {
      const uint64_t from = std::max(at, next->begin);
      const uint64_t until = std::min(end, next->begin + next->bytes);
      tree_->read(node_, *next, from - next->begin, buffer.data() + (from - at), until - from);
    }
  }

 private:
  std::vector<Stretch>::const_iterator behind(uint64_t at) const {
    return std::upper_bound(data_.begin(), data_.end(), at, [](uint64_t offset, const Stretch& stretch) {
      return offset < stretch.begin + stretch.bytes;
    });
  }

  const DiskTree* tree_;
  Node node_;
  std::vector<Stretch> data_;
};

bool same_content(const Content& a, const Content& b, uint64_t size, const Deadline& deadline) {
  std::string of_a;
  std::string of_b;
  for (uint64_t at = 0; at < size;) {
    at = std::min(a.next_data(at, size), b.next_data(at, size));
    if (at >= size) break;
    deadline.check("a comparison of files");
    of_a.resize(std::min(kPiece, size - at));
    of_b.resize(of_a.size());
    a.read(at, of_a);
    b.read(at, of_b);
    if (of_a != of_b) return false;
    at += of_a.size();
  }
  return true;
}

// An encrypted file keeps nobody from comparing the others.
template <typename Body>
bool unless_unsupported(Body&& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::kUnsupported) throw;
    return false;
  }
}

// Two files of the same size, to be compared when all are known: then all cores can.
struct Pair {
  size_t difference = 0;  // its place among the differences
  uint64_t size = 0;
  Content a;
  Content b;
};

class Comparison {
 public:
  Comparison(const DiskTree& a, const DiskTree& b, const Deadline& deadline)
      : a_(a), b_(b), guard_a_(a), guard_b_(b), deadline_(deadline), shares_base_(share_base(a, b)) {}

  std::vector<Difference> run() {
    compare(a_.root(), b_.root(), "/");
    compare_contents();
    std::erase_if(found_, [](const Difference& difference) {
      return difference.kind == Kind::kChanged && difference.what.empty();
    });
    return std::move(found_);
  }

 private:
  static bool share_base(const DiskTree& a, const DiskTree& b) {
    struct stat of_a {};
    struct stat of_b {};
    return a.base_fd() >= 0 && b.base_fd() >= 0 && ::fstat(a.base_fd(), &of_a) == 0 &&
           ::fstat(b.base_fd(), &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
  }

  // With all that is in it, unless the private disk shows somewhere below.
  bool is_same_of_base(const Node& a, const Node& b) const {
    return shares_base_ && a.place == DiskTree::Place::kBase && a == b && a.depth < 0;
  }

  static std::string joined(const std::string& path, const std::string& name) {
    return path == "/" ? path + name : path + "/" + name;
  }

  void compare(const Node& a, const Node& b, const std::string& path) {
    deadline_.check("a comparison of files");
    if (is_same_of_base(a, b)) return;
    const FileInfo of_a = a_.info(a);
    const FileInfo of_b = b_.info(b);
    if ((of_a.mode & S_IFMT) != (of_b.mode & S_IFMT)) return replace(a, b, of_a, of_b, path);
    const size_t place = found_.size();
    note({.kind = Kind::kChanged, .path = path, .info = of_b});
    std::vector<std::string> what;
    if (of_a.mode != of_b.mode) what.emplace_back("mode");
    if (of_a.uid != of_b.uid || of_a.gid != of_b.gid) what.emplace_back("owner");
    if ((S_ISCHR(of_a.mode) || S_ISBLK(of_a.mode)) && (of_a.major != of_b.major || of_a.minor != of_b.minor))
      what.emplace_back("device");
    if (S_ISLNK(of_a.mode) && a_.link_target(a) != b_.link_target(b)) what.emplace_back("target");
    found_[place].what = std::move(what);
    const bool readable = unless_unsupported([&] {
      if (S_ISREG(of_a.mode)) compare_files(a, b, of_a, of_b, place);
      if (S_ISDIR(of_a.mode)) compare_folders(a, b, path);
    });
    if (!readable) found_[place].what.emplace_back("unreadable");
  }

  void compare_files(const Node& a, const Node& b, const FileInfo& of_a, const FileInfo& of_b, size_t place) {
    if (of_a.size != of_b.size) {
      found_[place].what.insert(found_[place].what.end(), {"size", "content"});
      return;
    }
    Pair pair{.difference = place, .size = of_a.size, .a = {a_, a}, .b = {b_, b}};
    guard_a_.take(pair.a.bytes(), of_a, a);
    guard_b_.take(pair.b.bytes(), of_b, b);
    kept_.add(sizeof pair + pair.a.kept_bytes() + pair.b.kept_bytes());
    pairs_.push_back(std::move(pair));
  }

  void compare_folders(const Node& a, const Node& b, const std::string& path) {
    guard_a_.enter(a, path);
    guard_b_.enter(b, path);
    const auto names_a = a_.children(a, path);
    const auto names_b = b_.children(b, path);
    auto at_a = names_a.begin();
    auto at_b = names_b.begin();
    while (at_a != names_a.end() || at_b != names_b.end()) {
      if (at_b == names_b.end() || (at_a != names_a.end() && at_a->first < at_b->first)) {
        list(a_, guard_a_, at_a->second, joined(path, at_a->first), Kind::kRemoved);
        ++at_a;
      } else if (at_a == names_a.end() || at_b->first < at_a->first) {
        list(b_, guard_b_, at_b->second, joined(path, at_b->first), Kind::kAdded);
        ++at_b;
      } else {
        compare(at_a->second, at_b->second, joined(path, at_a->first));
        ++at_a;
        ++at_b;
      }
    }
  }

  // Something of another type stands in its place.
  void replace(const Node& a, const Node& b, const FileInfo& of_a, const FileInfo& of_b,
               const std::string& path) {
    if (!S_ISDIR(of_a.mode) && !S_ISDIR(of_b.mode)) {
      note({.kind = Kind::kChanged, .path = path, .info = of_b, .what = {"type"}});
      return;
    }
    list(a_, guard_a_, a, path, Kind::kRemoved);
    list(b_, guard_b_, b, path, Kind::kAdded);
  }

  void list(const DiskTree& tree, WalkGuard& guard, const Node& node, const std::string& path, Kind kind) {
    deadline_.check("a comparison of files");
    const FileInfo info = tree.info(node);
    note({.kind = kind, .path = path, .info = info});
    if (!S_ISDIR(info.mode)) return;
    unless_unsupported([&] {
      guard.enter(node, path);
      for (const auto& [name, child] : tree.children(node, path))
        list(tree, guard, child, joined(path, name), kind);
    });
  }

  void note(Difference difference) {
    kept_.add(sizeof difference + difference.path.size());
    found_.push_back(std::move(difference));
  }

  void compare_contents() {
    std::vector<char> same(pairs_.size());
    for_each_in_parallel(pairs_.size(), [&](size_t number) {
      const Pair& pair = pairs_[number];
      same[number] = same_content(pair.a, pair.b, pair.size, deadline_);
    });
    for (size_t number = 0; number < pairs_.size(); ++number)
      if (same[number] == 0) found_[pairs_[number].difference].what.emplace_back("content");
  }

  const DiskTree& a_;
  const DiskTree& b_;
  WalkGuard guard_a_;
  WalkGuard guard_b_;
  const Deadline& deadline_;
  bool shares_base_;
  KeptBytes kept_;
  std::vector<Difference> found_;
  std::vector<Pair> pairs_;
};

}  // namespace

std::vector<Difference> diff_trees(const DiskTree& a, const DiskTree& b, const Deadline& deadline) {
  return Comparison(a, b, deadline).run();
}

}  // namespace knaller::disk
