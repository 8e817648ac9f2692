#include "channel.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "copies.h"
#include "temporary_vm.h"

namespace knaller::bench {
namespace {

constexpr int kCommands = 30;
constexpr int kBySsh = 5;
constexpr int kAtOnce = 200;
constexpr int kClones = 5;
constexpr char kVm[] = "bench";
constexpr char kHundredMib[] = "104857600";

std::vector<std::string> command(const Setting& setting, const std::string& verb,
                                 const std::vector<std::string>& rest) {
  std::vector<std::string> argv{setting.programs + "/knaller", "--home", setting.home, verb, kVm};
  argv.insert(argv.end(), rest.begin(), rest.end());
  return argv;
}

Figure times(std::string name, int count, std::optional<double> bar, const std::function<void()>& action) {
  Figure figure{.name = std::move(name), .unit = "ms", .samples = {}, .bar = bar, .note = {}};
  for (int i = 0; i < count; ++i) figure.samples.push_back(time_of(action));
  return figure;
}

void run_all_at_once(const Setting& setting) {
  std::vector<Child> commands;
  for (int i = 0; i < kAtOnce; ++i)
    commands.push_back(spawn({.argv = command(setting, "exec", {"--", "true"})}));
  for (Child& one : commands) {
    const auto status = one.wait(Deadline::after(std::chrono::minutes(5)));
    if (!status || !status->success()) throw Error(Code::kInternal, "one of the commands at once failed");
  }
}

// A pipe's worth at a time, as a shell would.
void carry(Manager& manager, const std::vector<std::string>& argv, const char* from) {
  const UniqueFd in = open_at(AT_FDCWD, from, O_RDONLY);
  const UniqueFd out = open_at(AT_FDCWD, "/dev/null", O_WRONLY);
  ExecOptions options;
  options.argv = argv;
  options.stdin_fd = in.get();
  options.stdout_fd = out.get();
  manager.exec(kVm, options);
}

void exec_true(Manager& manager, const std::string& vm) {
  ExecOptions options;
  options.argv = {"true"};
  manager.exec(vm, options);
}

void measure_clones(Manager& manager, std::vector<Figure>& figures) {
  const std::string snapshot = manager.create_snapshot({.vm = kVm, .durable = false}).id;
  Figure figure{.name = "start --from-snapshot until the first command has answered",
                .unit = "ms",
                .samples = {},
                .bar = 150,
                .note = {}};
  for (int i = 0; i < kClones; ++i) {
    const std::string name = fmt::format("bench-clone-{}", i);
    figure.samples.push_back(time_of([&] {
      manager.restore({.name = name, .snapshot = snapshot});
      exec_true(manager, name);
    }));
    const TemporaryVm clone(manager, name);
  }
  figures.push_back(std::move(figure));
  manager.remove_snapshot(snapshot);
}

}  // namespace

void measure_channel(const Setting& setting, const Engine& engine, std::vector<Figure>& figures) {
  Manager manager({.home = setting.home, .libexec = setting.programs});
  manager.start(tiny_vm(kVm, engine, NetworkMode::kRootless));
  const TemporaryVm vm(manager, kVm);
  const Deadline limit = Deadline::after(std::chrono::minutes(10));
  figures.push_back(times("knaller exec NAME -- true, whole command", kCommands, 15, [&] {
    run_checked({.argv = command(setting, "exec", {"--", "true"})}, limit);
  }));
  figures.push_back(times("the same by knaller ssh", kBySsh, std::nullopt,
                          [&] { run_checked({.argv = command(setting, "ssh", {"true"})}, limit); }));
  figures.push_back(times("exec by the library, with its connection", kCommands, std::nullopt,
                          [&] { exec_true(manager, kVm); }));
  figures.push_back(times(fmt::format("{} times knaller exec at once", kAtOnce), 3, 3000,
                          [&] { run_all_at_once(setting); }));
  const std::string zeros = setting.scratch + "/zeros";
  if (::ftruncate(open_at(AT_FDCWD, zeros, O_WRONLY | O_CREAT, 0600).get(), 100 << 20) != 0)
    throw errno_error(errno, "make a file of zeros");
  figures.push_back(times("100 MiB into a command in the guest", 3, std::nullopt, [&] {
    carry(manager, {"sh", "-c", "cat > /dev/null"}, zeros.c_str());
  }));
  figures.push_back(times("100 MiB out of a command in the guest", 3, std::nullopt, [&] {
    carry(manager, {"head", "-c", kHundredMib, "/dev/zero"}, "/dev/null");
  }));
  // Before the guest's memory is full of what was copied.
  measure_clones(manager, figures);
  measure_copies(setting, manager, kVm, figures);
}

}  // namespace knaller::bench
