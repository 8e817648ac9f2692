// `knaller __complete -- WORD…`, asked by the completion scripts: names of what exists.
#include "cli/commands.h"
#include "cli/completion.h"

namespace knaller::cli {
namespace {

std::vector<Candidate> vm_names(Manager& manager, std::string_view behind) {
  std::vector<Candidate> names;
  for (const VmInfo& vm : manager.list())
    names.push_back({vm.name + std::string(behind), to_string(vm.state)});
  return names;
}

std::vector<Candidate> names_of(Manager& manager, Names kind) {
  std::vector<Candidate> names;
  switch (kind) {
    case Names::kVm:
      return vm_names(manager, "");
    case Names::kVmOrFile:
      return vm_names(manager, ":");
    case Names::kSnapshot:
      for (const SnapshotInfo& snapshot : manager.list_snapshots()) {
        names.push_back({snapshot.id, "of " + snapshot.vm_name});
        if (!snapshot.name.empty()) names.push_back({snapshot.name, snapshot.id});
      }
      return names;
    case Names::kImage:
      for (const ImageInfo& image : manager.list_images()) names.push_back({image.name, image.source});
      return names;
    case Names::kNothing:
    case Names::kFile:
    case Names::kDirectory:
    case Names::kCommand:
    case Names::kWords:
      break;
  }
  return names;
}

}  // namespace

int cmd_complete(Context& context) {
  const Expectation expectation = expected_after(context.args().tail);
  ManagerOptions options;
  options.home = expectation.home.value_or(context.settings().text("home"));
  Manager manager(std::move(options));
  context.out().raw(completion_lines(expectation, names_of(manager, expectation.names)));
  return 0;
}

}  // namespace knaller::cli
