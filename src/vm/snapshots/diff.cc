#include "vm/snapshots/diff.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "disk/tree_diff.h"
#include "memory/compare.h"
#include "net/egress.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/limits.h"
#include "store/snapshot_record.h"
#include "vm/home/layout.h"
#include "vm/snapshots/snapshot.h"
#include "vm/snapshots/snapshot_disk.h"

namespace knaller::vm {
namespace {

using store::SnapshotRecord;

struct Side {
  store::SnapshotId id;
  UniqueFd directory;
  SnapshotRecord record;
};

Side open_side(const Context& context, const std::string& reference) {
  const store::SnapshotId id = find_snapshot(context, reference);
  UniqueFd directory = context.home.open_entry(store::Kind::kSnapshot, id.str());
  SnapshotRecord record = store::read_snapshot_record(directory.get(), id);
  return {id, std::move(directory), std::move(record)};
}

std::string type_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "link";
    case S_IFCHR:
    case S_IFBLK:
      return "device";
    case S_IFIFO:
      return "pipe";
    case S_IFSOCK:
      return "socket";
    default:
      return "unknown";
  }
}

FileChange public_form(const disk::Difference& difference) {
  FileChange change{
      .path = difference.path, .type = type_name(difference.info.mode), .what = difference.what};
  switch (difference.kind) {
    case disk::Difference::Kind::kAdded:
      change.kind = FileChange::Kind::kAdded;
      break;
    case disk::Difference::Kind::kRemoved:
      change.kind = FileChange::Kind::kRemoved;
      break;
    case disk::Difference::Kind::kChanged:
      change.kind = FileChange::Kind::kChanged;
      break;
  }
  if (S_ISREG(difference.info.mode)) change.size = difference.info.size;
  return change;
}

void compare_files(const Context& context, const Side& a, const Side& b, const Deadline& deadline,
                   SnapshotDiff& diff) {
  if (!a.record.has_disk || !b.record.has_disk) {
    diff.files_reason = fmt::format("{} was taken without its disk", (a.record.has_disk ? b : a).id.str());
    return;
  }
  context.step("comparing files");
  const PhaseTimer timer(context, "files");
  const auto open = [](const Side& side) {
    return in_context([&] { return side.id.str(); },
                      [&] { return open_snapshot_disk(side.directory.get(), side.record); });
  };
  const disk::DiskTree tree_a = open(a);
  const disk::DiskTree tree_b = open(b);
  for (const disk::Difference& difference : disk::diff_trees(tree_a, tree_b, deadline))
    diff.files.push_back(public_form(difference));
}

void compare_memory(const Context& context, const Side& a, const Side& b, const Deadline& deadline,
                    SnapshotDiff& diff) {
  context.step("comparing memory");
  const PhaseTimer timer(context, "memory");
  const memory::PageDifference found =
      memory::compare_pages(open_untrusted(a.directory.get(), layout::kMemory).get(),
                            open_untrusted(b.directory.get(), layout::kMemory).get(), deadline);
  diff.memory_pages = found.pages;
  diff.differing_pages = found.differing;
}

void compare_devices(const Side& a, const Side& b, SnapshotDiff& diff) {
  const std::string state_a = store::read_entry_file(a.directory.get(), layout::kState, store::kLargestState);
  const std::string state_b = store::read_entry_file(b.directory.get(), layout::kState, store::kLargestState);
  diff.same_devices = state_a == state_b;
  diff.device_bytes_a = state_a.size();
  diff.device_bytes_b = state_b.size();
}

std::string ports_of(const SnapshotRecord& record) {
  std::string text;
  for (const PortForward& port : record.ports)
    text += fmt::format("{}{}:{}:{}/{}", text.empty() ? "" : " ", port.address, port.host, port.guest,
                        port.protocol == Protocol::kUdp ? "udp" : "tcp");
  return text;
}

std::vector<std::pair<std::string, std::string>> settings_of(const SnapshotRecord& record) {
  return {{"vm", record.vm_name},
          {"image", record.image},
          {"kernel", record.kernel},
          {"boot_args", record.boot_args},
          {"vcpus", fmt::format("{}", record.vcpus)},
          {"memory_mib", fmt::format("{}", record.memory_mib)},
          {"on_reboot", std::string(store::to_text(record.on_reboot))},
          {"network", std::string(store::to_text(record.network))},
          {"egress", net::to_text(record.egress)},
          {"limits", dump_json(store::limits_to_json(record.limits))},
          {"network_device", record.network_device ? "yes" : "no"},
          {"ports", ports_of(record)},
          {"engine", std::string(store::to_text(record.engine))},
          {"engine_version", record.engine_version},
          {"state_version", record.state_version},
          {"cpu_vendor", record.cpu.vendor},
          {"cpu", record.cpu.name},
          {"tsc_khz", fmt::format("{}", record.tsc_khz)}};
}

void compare_settings(const Side& a, const Side& b, SnapshotDiff& diff) {
  const auto of_a = settings_of(a.record);
  const auto of_b = settings_of(b.record);
  for (size_t i = 0; i < of_a.size(); ++i)
    if (of_a[i].second != of_b[i].second)
      diff.settings.push_back({of_a[i].first, of_a[i].second, of_b[i].second});
}

}  // namespace

SnapshotDiff diff_snapshots(const Context& context, const std::string& reference_a,
                            const std::string& reference_b, const DiffOptions& options) {
  const Side a = open_side(context, reference_a);
  const Side b = open_side(context, reference_b);
  const Deadline deadline = Deadline::never(options.stop);
  return in_context([&] { return fmt::format("compare {} with {}", a.id.str(), b.id.str()); },
                    [&] {
                      SnapshotDiff diff{.a = a.id.str(), .b = b.id.str()};
                      compare_files(context, a, b, deadline, diff);
                      if (a.record.has_memory && b.record.has_memory) {
                        compare_memory(context, a, b, deadline, diff);
                        compare_devices(a, b, diff);
                      } else {
                        diff.memory_reason =
                            fmt::format("{} has none", (a.record.has_memory ? b : a).id.str());
                      }
                      compare_settings(a, b, diff);
                      return diff;
                    });
}

}  // namespace knaller::vm
