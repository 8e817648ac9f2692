// knaller-bench [--json FILE] [GROUP...]: measures knaller beside the raw cost of the same work and prints a
// table. Without a group, all of them.
//
// The fake engine takes next to no time itself, so what is left is knaller's own. A real Firecracker is
// measured where one is on PATH and /dev/kvm opens, on what its API answers; whether its guests come up is
// not asked.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "against_go.h"
#include "base/error.h"
#include "base/process.h"
#include "channel.h"
#include "portable.h"
#include "snapshot_costs.h"
#include "snapshots.h"
#include "vms.h"

namespace {

using namespace knaller;         // NOLINT(google-build-using-namespace): a program's own file
using namespace knaller::bench;  // NOLINT(google-build-using-namespace)

// A home and a scratch folder that are gone at the end.
class Workspace {
 public:
  Workspace() : path_((std::filesystem::temp_directory_path() / "knaller-bench.XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw errno_error(errno, "make " + path_);
    std::filesystem::create_directory(path_ + "/raw");
  }
  ~Workspace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  Setting setting() const {
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
    return {.home = path_ + "/home", .scratch = path_ + "/raw", .programs = self.parent_path()};
  }

 private:
  std::string path_;
};

std::vector<Engine> engines_here(const Setting& setting) {
  const std::string fake = setting.programs + "/fake_firecracker";
  std::vector<Engine> engines = {{.name = "the fake engine",
                                  .choice = {.kind = EngineKind::kFirecracker, .path = fake},
                                  .binary = fake,
                                  .fake = true}};
  const std::string firecracker = find_program("firecracker");
  if (!firecracker.empty() && ::access("/dev/kvm", R_OK | W_OK) == 0)
    engines.push_back({.name = "firecracker",
                       .choice = {.kind = EngineKind::kFirecracker, .path = firecracker},
                       .binary = firecracker});
  return engines;
}

Engine qemu_engine(const Setting& setting) {
  return {.name = "QEMU",
          .choice = {.kind = EngineKind::kQemu, .path = {}},
          .binary = setting.programs + "/knaller-qemu"};
}

void measure_starts_and_restores(const Setting& setting, std::vector<Figure>& figures) {
  for (const Engine& engine : engines_here(setting)) {
    for (const NetworkMode network : {NetworkMode::kNone, NetworkMode::kRootless}) {
      measure_start(setting, engine, network, figures);
      // A real engine opens the TAP of the saved state, which the raw one does not have.
      if (network == NetworkMode::kNone || engine.fake) measure_restore(setting, engine, network, figures);
    }
  }
}

void measure_all_snapshots(const Setting& setting, std::vector<Figure>& figures) {
  std::vector<Engine> with_memory = engines_here(setting);
  with_memory.front() = qemu_engine(setting);
  for (const Engine& engine : with_memory) measure_snapshots(setting, engine, figures);
  measure_snapshot_costs(setting, qemu_engine(setting), figures);
}

void measure_all_against_go(const Setting& setting, std::vector<Figure>& figures) {
  for (const Engine& engine : engines_here(setting))
    if (!engine.fake) measure_against_go(setting, engine, figures);
}

// Unless there is one: the group "image" leaves its own.
void make_image(const Setting& setting) {
  Manager manager({.home = setting.home, .libexec = setting.programs});
  if (manager.list_images().empty()) manager.build_image({.kind = "tiny"});
}

struct Group {
  std::string_view name;
  bool starts_vms;
  void (*measure)(const Setting& setting, std::vector<Figure>& figures);
};
constexpr auto kGroups = std::to_array<Group>({
    {"command", false, measure_command},
    {"image", false, measure_image},
    {"boot", true,
     [](const Setting& setting, auto& figures) { measure_boot(setting, qemu_engine(setting), figures); }},
    {"channel", true,
     [](const Setting& setting, auto& figures) { measure_channel(setting, qemu_engine(setting), figures); }},
    {"start", true, measure_starts_and_restores},
    {"snapshot", true, measure_all_snapshots},
    {"portable", true,
     [](const Setting& setting, auto& figures) { measure_portable(setting, qemu_engine(setting), figures); }},
    {"go", false, measure_all_against_go},
    {"many", true,
     [](const Setting& setting, auto& figures) {
       measure_many(setting, engines_here(setting).front(), figures);
     }},
});

// All of them when none is named.
std::vector<Group> groups_named(const std::vector<std::string>& names) {
  if (names.empty()) return {kGroups.begin(), kGroups.end()};
  std::vector<Group> groups;
  for (const std::string& name : names) {
    const auto* const found = std::ranges::find(kGroups, name, &Group::name);
    if (found == kGroups.end()) {
      std::string known;
      for (const Group& group : kGroups) known += fmt::format(" {}", group.name);
      throw Error(Code::kInvalidArgument,
                  fmt::format("there is no group '{}' of figures, only:{}", name, known));
    }
    groups.push_back(*found);
  }
  return groups;
}

std::vector<Figure> measure(const std::vector<Group>& groups, const Setting& setting) {
  std::vector<Figure> figures;
  for (const Group& group : groups) {
    if (group.starts_vms) make_image(setting);
    fmt::print(stderr, "measuring: {}\n", group.name);
    group.measure(setting, figures);
  }
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names(argv + 1, argv + argc);
  std::string json_file;
  if (names.size() >= 2 && names[0] == "--json") {
    json_file = names[1];
    names.erase(names.begin(), names.begin() + 2);
  }
  try {
    const std::vector<Group> groups = groups_named(names);
    const Workspace workspace;
    const std::vector<Figure> figures = measure(groups, workspace.setting());
    fmt::print("{}", render_table(figures));
    if (!json_file.empty()) {
      std::ofstream file(json_file);
      file << render_json(figures);
      if (!file.flush()) throw Error(Code::kIo, "can't write " + json_file);
    }
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "knaller-bench: {}\n", error.what());
    return error.code() == Code::kInvalidArgument ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "knaller-bench: {}\n", error.what());
    return 1;
  }
}
