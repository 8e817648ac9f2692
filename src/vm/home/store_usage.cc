#include "vm/home/store_usage.h"

#include "base/file.h"
#include "store/usage.h"

namespace knaller::vm {
namespace {

using store::Kind;
using store::TreeUse;

// Collects rows, and every inode once.
class Measurement {
 public:
  void add(UsageRow::Kind kind, const std::string& name, const TreeUse& tree) {
    if (tree.inodes.empty()) return;  // removed meanwhile
    const uint64_t allocated = tree.allocated();
    const uint64_t exclusive = tree.exclusive();
    usage_.rows.push_back({kind, name, tree.apparent(), allocated, allocated - exclusive, exclusive});
    usage_.exclusive_bytes += exclusive;
    store::add(all_, tree);
  }

  StoreUsage finish() {
    usage_.apparent_bytes = all_.apparent();
    usage_.allocated_bytes = all_.allocated();
    usage_.shared_bytes = usage_.allocated_bytes - usage_.exclusive_bytes;
    usage_.unreadable = all_.unreadable;
    return usage_;
  }

 private:
  StoreUsage usage_;
  TreeUse all_;
};

UsageRow::Kind row_kind(Kind kind) {
  switch (kind) {
    case Kind::kImage:
      return UsageRow::Kind::kImage;
    case Kind::kSnapshot:
      return UsageRow::Kind::kSnapshot;
    case Kind::kVm:
      break;
  }
  return UsageRow::Kind::kVm;
}

// The home itself, its folders, the locks, and what others keep there.
TreeUse everything_else(const store::Home& home, const Deadline& deadline) {
  TreeUse rest = store::look_at(home.root(), ".");
  for (const std::string& name : list_directory(home.root())) {
    const bool of_entries = name == store::folder_of(Kind::kVm) ||
                            name == store::folder_of(Kind::kSnapshot) ||
                            name == store::folder_of(Kind::kImage);
    store::add(rest, of_entries ? store::look_at(home.root(), name)
                                : store::look_through(home.root(), name, deadline));
  }
  return rest;
}

}  // namespace

StoreUsage measure_store(const Context& context, std::stop_token stop) {
  const Deadline deadline = Deadline::never(std::move(stop));
  Measurement measurement;
  for (const Kind kind : {Kind::kImage, Kind::kSnapshot, Kind::kVm})
    for (const std::string& name : list_directory(context.home.folder(kind)))
      measurement.add(row_kind(kind), name, store::look_through(context.home.folder(kind), name, deadline));
  measurement.add(UsageRow::Kind::kOther, "", everything_else(context.home, deadline));
  return measurement.finish();
}

}  // namespace knaller::vm
