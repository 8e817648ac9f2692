// Runs a command that nobody has read in a VM of its own, and removes the VM whatever happens.
//
//   run_untrusted COMMAND [ARGUMENT...]
//
// The VM is tied to this process: should it be killed, the VM goes with it.
#include <knaller/manager.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {

void print_event(const knaller::Event& event) {
  if (event.kind == knaller::EventKind::kStep || event.kind == knaller::EventKind::kNote) {
    std::fprintf(stderr, "%s\n", event.text.c_str());
  }
}

int run(const std::vector<std::string>& command) {
  knaller::Manager manager({.on_event = print_event});
  knaller::Started started = manager.start({.memory_mib = 256}, {.tie = true});
  const knaller::ExecResult result = manager.exec(
      started.vm.name, {.argv = command, .stdout_fd = STDOUT_FILENO, .stderr_fd = STDERR_FILENO});
  manager.remove(started.vm.name, {.force = true});
  return result.signal != 0 ? 128 + result.signal : result.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: run_untrusted COMMAND [ARGUMENT...]\n");
    return 2;
  }
  try {
    return run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const knaller::Error& error) {
    std::fprintf(stderr, "run_untrusted: %s\n%s\n", error.what(), error.hint().c_str());
    return 125;
  }
}
