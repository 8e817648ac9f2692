// knaller-qemu: Firecracker's command line and API, on QEMU's microvm machine. QEMU is its child and dies
// with it; the guest's console is standard output. Exit status: 0 when the guest ended, 1 when something
// failed, 152 for a bad configuration file, 153 for bad arguments, as Firecracker.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"
#include "base/text.h"
#include "firecracker/engine_api.h"
#include "firecracker/server.h"
#include "qemu/hypervisor.h"
#include "qemu/options.h"
#include "qemu/state_file.h"

namespace knaller::qemu {
namespace {

// The Firecracker whose API this is, as held against its recorded answers.
const firecracker::Version kApiVersion{1, 16, 1, {}};
constexpr const char* kDefaultSocket = "/run/firecracker.socket";
constexpr int kBadConfiguration = 152;
constexpr int kBadArguments = 153;
constexpr size_t kConfigLimit = 1 << 20;

std::string find_qemu(const ProgramOptions& options) {
  if (options.qemu_binary) return *options.qemu_binary;
  if (const char* named = ::secure_getenv("KNALLER_QEMU_BINARY"); named != nullptr && *named != '\0')
    return named;
  const std::string found = find_program("qemu-system-x86_64");
  return found.empty() ? "/usr/bin/qemu-system-x86_64" : found;
}

void print_version(const std::string& qemu) {
  std::string engine = "without QEMU";
  if (exists(qemu)) {
    const auto output = run_program({.argv = {qemu, "--version"}}, Deadline::after(std::chrono::seconds(10)));
    // "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"
    const auto words = split(std::string_view(output.out).substr(0, output.out.find('\n')), ' ');
    if (output.status.success() && words.size() >= 4) engine = fmt::format("on QEMU {}", words[3]);
  }
  // The first line ends like Firecracker's, for programs that read it.
  fmt::print("knaller-qemu v{}\n\nknaller {}: the API of Firecracker {} {}\n", kApiVersion.text(),
             KNALLER_VERSION, kApiVersion.text(), engine);
}

// Pid 1 of a pid namespace inherits its orphans.
class Reaper {
 public:
  Reaper() {
    if (::getpid() != 1) return;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &mask, nullptr);
    signals_ = UniqueFd(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) fail_errno("watch for ended processes");
  }

  void add_to(std::vector<firecracker::Watch>& watches, const QemuHypervisor& hypervisor) const {
    if (!signals_) return;
    watches.push_back({signals_.get(), [this, &hypervisor] {
                         signalfd_siginfo info;
                         while (::read(signals_.get(), &info, sizeof info) > 0) {
                         }
                         reap_all_but(hypervisor.qemu_pid());
                         return true;
                       }});
  }

 private:
  static void reap_all_but(pid_t qemu) {
    for (;;) {
      siginfo_t info = {};
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
      if (info.si_pid == qemu) return;  // its end is the VM's: the hypervisor sees it
      ::waitpid(info.si_pid, nullptr, 0);
    }
  }

  UniqueFd signals_;
};

void run(const ProgramOptions& options, QemuHypervisor& hypervisor, firecracker::EngineApi& api) {
  Reaper reaper;
  std::vector<firecracker::Watch> watches = {{hypervisor.event_fd(), [&] { return hypervisor.on_ready(); }}};
  reaper.add_to(watches, hypervisor);
  UniqueFd socket;
  if (!options.no_api) {
    const std::string path = options.api_socket.value_or(kDefaultSocket);
    if (stat_if_exists(AT_FDCWD, path)) {
      fail(Code::kAlreadyExists, "Failed to open the API socket at: {}. Check that it is not already used.",
           path);
    }
    const size_t slash = path.rfind('/');
    const UniqueFd folder = open_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
    socket = listen_unix(folder.get(), path.substr(slash + 1));
    api.log(fmt::format("Listening on API socket (\"{}\").", printable(path)));
  }
  if (options.config_file) api.apply_config_file(read_file(*options.config_file, kConfigLimit));
  firecracker::serve(
      socket.get(), [&](const firecracker::HttpRequest& request) { return api.handle(request); }, {},
      watches);
}

// In a jail QEMU, which its guest may have taken over, is of the same user: it must neither read nor change
// what starts it and speaks for it. Outside of one, whoever looks for the guest's memory may be no more than
// that user, too.
void hide_from_own_children() {
  if (::getpid() != 1) return;
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) fail_errno("hide this process's memory");
}

int run_engine(const ProgramOptions& options, const std::vector<int>& inherited) {
  hide_from_own_children();
  QemuHypervisor hypervisor({find_qemu(options), options.accelerator, inherited});
  firecracker::EngineApi api(hypervisor, {options.id, kApiVersion, options.enable_pci});
  hypervisor.set_log([&](const std::string& line) { api.log(line); });
  try {
    if (options.log_path || options.level)
      api.set_logger(options.log_path.value_or(""), options.level.value_or(""));
    if (options.metrics_path) api.set_metrics(*options.metrics_path);
    api.log(fmt::format("Running knaller-qemu {}, Firecracker API {}", KNALLER_VERSION, kApiVersion.text()));
    run(options, hypervisor, api);
  } catch (const Error& error) {
    api.log(error.what());
    fmt::print(stderr, "Error: {}\n", printable(error.what()));
    return options.config_file && error.code() == Code::kInvalidArgument ? kBadConfiguration : EXIT_FAILURE;
  }
  const int code = api.load_failed() ? EXIT_FAILURE : hypervisor.exit_code();
  api.log(code == 0 ? "knaller-qemu exiting successfully. exit_code=0"
                    : fmt::format("knaller-qemu exiting with error. exit_code={}", code));
  return code;
}

int describe_snapshot(const std::string& path) {
  decode_state(read_file(path, kStateFileLimit));
  fmt::print("v{}\n", kStateFormat);
  return EXIT_SUCCESS;
}

int main_program(const std::vector<std::string>& arguments) {
  const std::vector<int> inherited = inherited_descriptors();
  ProgramOptions options;
  try {
    options = parse_options(arguments);
  } catch (const Error& error) {
    fmt::print(stderr, "Arguments parsing error: {}\n\nFor more information try --help.\n", error.message());
    return kBadArguments;
  }
  try {
    if (options.help) {
      fmt::print("{}", help_text());
    } else if (options.version) {
      print_version(find_qemu(options));
    } else if (options.snapshot_version) {
      fmt::print("v{}\n", kStateFormat);
    } else if (options.describe_snapshot) {
      return describe_snapshot(*options.describe_snapshot);
    } else {
      return run_engine(options, inherited);
    }
    return EXIT_SUCCESS;
  } catch (const std::exception& exception) {
    fmt::print(stderr, "Error: {}\n", printable(exception.what()));
    return EXIT_FAILURE;
  }
}

}  // namespace
}  // namespace knaller::qemu

int main(int argc, char** argv) {
  return knaller::qemu::main_program({argv + 1, argv + argc});
}
