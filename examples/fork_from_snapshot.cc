// Prepares a VM once, and starts workers from its snapshot: each has the prepared memory and disk, and its
// own from then on.
//
//   fork_from_snapshot [WORKERS]
#include <knaller/manager.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Removes what was made, in the reverse order, also when something fails half-way.
class Cleanup {
 public:
  explicit Cleanup(knaller::Manager& manager) : manager_(manager) {}
  ~Cleanup() {
    for (auto name = vms_.rbegin(); name != vms_.rend(); ++name)
      try_to([&] { manager_.remove(*name, {.force = true}); });
    if (!snapshot_.empty()) try_to([&] { manager_.remove_snapshot(snapshot_); });
  }
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;

  void vm(const std::string& name) { vms_.push_back(name); }
  void snapshot(const std::string& id) { snapshot_ = id; }

 private:
  template <typename Action>
  void try_to(const Action& action) {
    try {
      action();
    } catch (const knaller::Error& error) {
      std::fprintf(stderr, "fork_from_snapshot: %s\n", error.what());
    }
  }

  knaller::Manager& manager_;
  std::vector<std::string> vms_;
  std::string snapshot_;
};

void shell(knaller::Manager& manager, const std::string& vm, const std::string& command) {
  const auto result =
      manager.exec(vm, {.shell_command = command, .stdout_fd = STDOUT_FILENO, .stderr_fd = STDERR_FILENO});
  if (result.exit_code != 0) {
    throw knaller::Error(knaller::Code::kIo,
                         "the guest's '" + command + "' ended with " + std::to_string(result.exit_code));
  }
}

void fork_workers(int workers) {
  knaller::Manager manager;
  Cleanup cleanup(manager);

  const std::string parent = manager.start({.memory_mib = 256}).vm.name;
  cleanup.vm(parent);
  shell(manager, parent, "echo 'prepared once' > /root/work");

  const std::string snapshot = manager.create_snapshot({.vm = parent}).id;
  cleanup.snapshot(snapshot);

  for (int i = 1; i <= workers; ++i) {
    const auto begin = Clock::now();
    const std::string worker = manager.restore({.snapshot = snapshot}).vm.name;
    cleanup.vm(worker);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    std::printf("%s after %d ms: ", worker.c_str(), static_cast<int>(took.count()));
    std::fflush(stdout);
    shell(manager, worker, "work=$(cat /root/work); echo \"$work, now of $(hostname)\" | tee /root/work");
  }
  shell(manager, parent, "cat /root/work");
}

}  // namespace

int main(int argc, char** argv) {
  const int workers = argc > 1 ? std::atoi(argv[1]) : 3;
  if (workers < 1 || workers > 100) {
    std::fprintf(stderr, "usage: fork_from_snapshot [WORKERS]\n");
    return 2;
  }
  try {
    fork_workers(workers);
    return 0;
  } catch (const knaller::Error& error) {
    std::fprintf(stderr, "fork_from_snapshot: %s\n%s\n", error.what(), error.hint().c_str());
    return 1;
  }
}
