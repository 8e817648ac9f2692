// knaller-bench [--json FILE]: measures knaller beside the raw cost of the same work and prints a table.
//
// The fake engine takes next to no time itself, so what is left is knaller's own. A real Firecracker is
// measured where one is on PATH and /dev/kvm opens, on what its API answers; whether its guests come up is
// not asked.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/process.h"
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

std::vector<Figure> measure_everything(const Setting& setting) {
  const auto step = [](const std::string& what) { fmt::print(stderr, "measuring {}\n", what); };
  std::vector<Figure> figures;
  step("the command");
  measure_command(setting, figures);
  step("the image tiny");
  measure_image(setting, figures);
  const std::string qemu = setting.programs + "/knaller-qemu";
  step("boots on QEMU");
  measure_boot(setting, {.name = "QEMU", .choice = {.kind = EngineKind::kQemu, .path = {}}, .binary = qemu},
               figures);
  for (const Engine& engine : engines_here(setting)) {
    for (const NetworkMode network : {NetworkMode::kNone, NetworkMode::kRootless}) {
      step("starts and restores on " + engine.name);
      measure_start(setting, engine, network, figures);
      // A real engine opens the TAP of the saved state, which the raw one does not have.
      if (network == NetworkMode::kNone || engine.fake) measure_restore(setting, engine, network, figures);
    }
  }
  std::vector<Engine> with_memory = engines_here(setting);
  with_memory.front() = {.name = "QEMU", .choice = {.kind = EngineKind::kQemu, .path = {}}, .binary = qemu};
  for (const Engine& engine : with_memory) {
    step("snapshots on " + engine.name);
    measure_snapshots(setting, engine, figures);
  }
  step("many VMs");
  measure_many(setting, engines_here(setting).front(), figures);
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  std::string json_file;
  if (argc == 3 && std::string(argv[1]) == "--json") {
    json_file = argv[2];
  } else if (argc != 1) {
    fmt::print(stderr, "usage: knaller-bench [--json FILE]\n");
    return 2;
  }
  try {
    const Workspace workspace;
    const std::vector<Figure> figures = measure_everything(workspace.setting());
    fmt::print("{}", render_table(figures));
    if (!json_file.empty()) {
      std::ofstream file(json_file);
      file << render_json(figures);
      if (!file.flush()) throw Error(Code::kIo, "can't write " + json_file);
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "knaller-bench: {}\n", error.what());
    return 1;
  }
}
