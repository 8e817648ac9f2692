// A hostile engine (probe.h) behind the real monitor, in both kinds of jail, with and without a network.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <regex>
#include <set>
#include <thread>

#include "base/all_processes.h"
#include "base/process.h"
#include "host_state.h"
#include "monitor/test_vm.h"

namespace knaller::test {
namespace {

using monitor::soon;
using store::EngineType;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int kFewestAttempts = 300;

// --- What must not be reached

UniqueFd listen_on(int family, const void* address, size_t length) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::bind(fd.get(), static_cast<const sockaddr*>(address), static_cast<socklen_t>(length)) != 0 ||
      ::listen(fd.get(), 16) != 0) {
    fail_errno("listen on a socket that nobody shall reach");
  }
  return fd;
}

// Sockets of the host's, of all the kinds that a process here could connect to.
class Traps {
 public:
  explicit Traps(std::string path) : path_(std::move(path)), name_("knaller-test-" + hex(random_bytes(8))) {
    sockaddr_un local = {AF_UNIX, {}};
    if (path_.size() >= sizeof local.sun_path) fail(Code::kInternal, "'{}' is too long", path_);
    path_.copy(local.sun_path, path_.size());
    by_path_ = listen_on(AF_UNIX, &local, sizeof local);
    sockaddr_un abstract = {AF_UNIX, {}};
    name_.copy(abstract.sun_path + 1, name_.size());
    by_name_ = listen_on(AF_UNIX, &abstract, offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    by_port_ = listen_on(AF_INET, &address, sizeof address);
    socklen_t size = sizeof address;
    if (::getsockname(by_port_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      fail_errno("look at a socket");
    port_ = ntohs(address.sin_port);
  }

  std::vector<std::string> arguments() const {
    return {"--host-socket",       path_,        "--abstract-socket",       name_, "--host-port",
            std::to_string(port_), "--host-pid", std::to_string(::getpid())};
  }
  bool were_reached() const {
    for (const auto* fd : {&by_path_, &by_name_, &by_port_})
      if (UniqueFd(::accept4(fd->get(), nullptr, nullptr, SOCK_CLOEXEC)) || errno != EAGAIN) return true;
    return false;
  }

 private:
  std::string path_;
  std::string name_;
  UniqueFd by_path_, by_name_, by_port_;
  uint16_t port_ = 0;
};

// --- A run

// A VM whose engine is the probe. It answers no API: its start fails, at the latest when the probe ends.
class ProbeVm {
 public:
  explicit ProbeVm(EngineType engine) : traps_(vm_.folder("trap.sock")) {
    vm_.spec.engine = engine;
    vm_.spec.engine_binary = vm_.folder(engine == EngineType::kQemu ? "knaller-qemu" : "firecracker");
    // A file of its own, by which its processes are known.
    write_file_atomically(AT_FDCWD, vm_.spec.engine_binary, read_file(KNALLER_JAIL_PROBE, 16 << 20),
                          Durability::kNoSync, 0755);
    vm_.keep();
    vm_.spec.engine_files = engine::engine_files(vm_.spec.engine_binary, engine::family_of(engine), soon());
    vm_.spec.kvm = engine != EngineType::kQemu;
    vm_.spec.file_limit = 1 << 30;
    vm_.spec.engine_args = traps_.arguments();
    if (!vm_.spec.kvm) add_argument("--no-kvm");
    for (const std::string neighbour : {"/vms/other/jail", "/snapshots/snap_1", "/keys"})
      make_directories(vm_.home() + neighbour);
    for (const std::string file : {"/vms/other/jail/rootfs.ext4", "/snapshots/snap_1/memory", "/keys/web"})
      write_file_atomically(AT_FDCWD, vm_.home() + file, "a secret of the user's", Durability::kNoSync);
  }

  void add_network() {
    vm_.spec.pasta_binary = find_program("pasta");
    vm_.spec.network = net::standard_plan({{.host = 0, .guest = 22}});
    add_argument("--network");
  }
  void add_argument(const std::string& argument) { vm_.spec.engine_args.push_back(argument); }

  // Until the engine is gone. Returns why there is no VM.
  std::string run() {
    try {
      vm_.begin();
    } catch (const Error& error) {
      return error.what();
    }
    return "it started";
  }

  std::string console() const { return read_file(vm_.path("console.log"), 16 << 20); }
  std::string log() const { return read_file(vm_.path("engine.log"), 16 << 20); }
  HostState host() const {
    return look_at_host(vm_.home(), fmt::format("{}/vms/{}", vm_.home(), vm_.spec.entry.name));
  }
  const std::string& engine() const { return vm_.spec.engine_binary; }
  const monitor::TestVm& vm() const { return vm_; }
  bool traps_were_reached() const { return traps_.were_reached(); }

 private:
  monitor::TestVm vm_;
  Traps traps_;
};

// --- What the jail may show
// ------------------------------------------------------------------------------------------------------------

using Paths = std::set<std::string>;

void add_with_parents(Paths& paths, const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    paths.insert(path.substr(0, slash));
  paths.insert(path);
}

// Of a folder all that is in it. No libraries: no cache of where they are.
void add_host_files(Paths& paths, const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    add_with_parents(paths, file);
    if (!std::filesystem::is_directory(file)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(file)) paths.insert(entry.path());
  }
  if (files.empty()) return;
  if (exists("/etc/ld.so.cache")) add_with_parents(paths, "/etc/ld.so.cache");
  for (const std::string folder : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"})
    if (std::filesystem::is_symlink(folder)) paths.insert(folder);
}

// All but what is below /vm and /proc.
Paths paths_to_be_seen(const monitor::LaunchSpec& spec) {
  Paths paths = {"/vm", "/proc"};
  add_host_files(paths, spec.engine_files);
  add_with_parents(paths, "/engine" + spec.engine_binary.substr(spec.engine_binary.rfind('/')));
  for (const std::string device : {"/dev/null", "/dev/urandom"}) add_with_parents(paths, device);
  if (spec.kvm && exists("/dev/kvm")) paths.insert("/dev/kvm");
  if (spec.network) add_with_parents(paths, "/dev/net/tun");
  return paths;
}

Paths paths_seen(const std::string& console) {
  constexpr std::string_view kSees = "sees ";
  Paths paths;
  for (const auto line : split(console, '\n'))
    if (line.starts_with(kSees)) paths.emplace(trim(line.substr(kSees.size())));
  return paths;
}

std::vector<std::string> lines_with(const std::string& text, const std::string& pattern) {
  std::vector<std::string> found;
  for (const auto line : split(text, '\n'))
    if (std::regex_search(std::string(line), std::regex(pattern))) found.emplace_back(line);
  return found;
}

// Files that an engine has written, and that would run as their owner.
std::vector<std::string> privileged_files(const std::string& folder) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const auto status = stat_if_exists(AT_FDCWD, entry.path());
    if (status && S_ISREG(status->st_mode) && (status->st_mode & (S_ISUID | S_ISGID)) != 0)
      found.push_back(
          fmt::format("{}: mode {:o}, owner {}", entry.path().string(), status->st_mode, status->st_uid));
  }
  return found;
}

struct Cage {
  const char* name;
  EngineType engine;
  bool network;
  bool as_qemu = false;  // not knaller-qemu, but QEMU below it
};

void PrintTo(const Cage& cage, std::ostream* out) {
  *out << cage.name;
}

class JailProbe : public testing::TestWithParam<Cage> {};

TEST_P(JailProbe, NoAttemptSucceedsAndTheHostIsAsItWas) {
  ProbeVm probe(GetParam().engine);
  if (GetParam().network) {
    if (find_program("pasta").empty()) GTEST_SKIP() << "there is no pasta here";
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/net/tun can't be opened here";
    probe.add_network();
  }
  if (GetParam().as_qemu) probe.add_argument("--as-qemu");
  const HostState before = probe.host();
  const std::string kernel = read_file(probe.vm().path("jail/vmlinux"));

  const std::string why = probe.run();

  const std::string console = probe.console();
  EXPECT_THAT(lines_with(console, "SUCCEEDED|UNCLEAR|FAILED"), IsEmpty());
  std::smatch counts;
  const std::regex summary("probe: ([0-9]+) attempts, 0 succeeded, 0 unclear; ([0-9]+) allowed, 0 failed");
  ASSERT_TRUE(std::regex_search(console, counts, summary)) << why << "\n" << console;
  EXPECT_GE(std::stoi(counts[1]), kFewestAttempts);
  EXPECT_EQ(lines_with(console, "^attempt [a-z0-9-]+: refused").size(), std::stoul(counts[1]));
  EXPECT_THAT(paths_seen(console), testing::ContainerEq(paths_to_be_seen(probe.vm().spec)));
  EXPECT_EQ(probe.host(), before);
  EXPECT_EQ(read_file(probe.vm().path("jail/vmlinux")), kernel);
  EXPECT_EQ(read_file(probe.vm().path("alive")), "");
  EXPECT_THAT(privileged_files(probe.vm().path("jail")), IsEmpty());
  EXPECT_FALSE(probe.traps_were_reached());
  EXPECT_THAT(processes_that_run(probe.engine()), IsEmpty());
  for (const std::string call : {"unshare", "setns", "ptrace", "process_vm_writev"})
    EXPECT_THAT(probe.log(), HasSubstr("the engine's system call " + call + "("));
}

INSTANTIATE_TEST_SUITE_P(, JailProbe,
                         testing::Values(Cage{"Firecracker", EngineType::kFirecracker, false},
                                         Cage{"FirecrackerWithNetwork", EngineType::kFirecracker, true},
                                         Cage{"Qemu", EngineType::kQemu, false},
                                         Cage{"QemuWithNetwork", EngineType::kQemu, true},
                                         Cage{"QemuItself", EngineType::kQemu, false, true},
                                         Cage{"QemuItselfWithNetwork", EngineType::kQemu, true, true}),
                         [](const auto& cage) { return std::string(cage.param.name); });

// --- What ends the probe

class JailProbeAlone : public testing::TestWithParam<EngineType> {};

TEST_P(JailProbeAlone, CallsOfOtherTablesEndTheirCaller) {
  for (const std::string table : {"i386", "x32"}) {
    ProbeVm probe(GetParam());
    probe.add_argument("--deadly");
    probe.add_argument(table);
    const std::string why = probe.run();
    const std::string console = probe.console();
    EXPECT_THAT(console, HasSubstr("attempt " + table + ": begun"));
    EXPECT_THAT(console, Not(HasSubstr("SUCCEEDED")));
    EXPECT_THAT(console + why, testing::ContainsRegex("SIGSYS|SIGSEGV|signal (31|11)"));
    EXPECT_THAT(processes_that_run(probe.engine()), IsEmpty());
  }
}

// The child of the process that executes "knaller-monitor NAME". An engine without its first thread has no
// program that could be looked at.
pid_t find_engine(const std::string& vm) {
  const std::string command = monitor::kMonitorProgram + '\0' + vm + '\0';
  std::string children;
  for_each_process([&](pid_t pid, int directory) {
    if (read_file_if_exists(directory, "cmdline") != command) return true;
    children += read_file(fmt::format("/proc/{0}/task/{0}/children", pid));
    return true;
  });
  return static_cast<pid_t>(parse_integer(trim(children), 1, INT32_MAX).value_or(0));
}

pid_t parent_of(pid_t pid) {
  const auto parent = lines_with(read_file(fmt::format("/proc/{}/status", pid)), "^PPid:");
  return static_cast<pid_t>(std::stol(parent.at(0).substr(5)));
}

// The signal that ties it to the monitor is of the thread that was cloned.
TEST_P(JailProbeAlone, AnEngineWithoutItsFirstThreadDiesWithItsMonitor) {
  ProbeVm probe(GetParam());
  probe.add_argument("--outlive");
  std::thread launcher([&] { probe.run(); });
  EXPECT_TRUE(monitor::becomes_true(
      [&] {
        return exists(probe.vm().path("console.log")) && probe.console().find("alone") != std::string::npos;
      },
      std::chrono::seconds(20)));
  const pid_t engine = find_engine(probe.vm().spec.entry.name);
  EXPECT_NE(engine, 0);
  if (engine != 0) {
    const UniqueFd pidfd = open_pidfd(engine);
    ::kill(parent_of(engine), SIGKILL);
    EXPECT_NE(poll_until(pidfd.get(), POLLIN, soon()), 0);
    signal_pidfd(pidfd.get(), SIGKILL);
  }
  launcher.join();
}

// What an engine calls its API may be a link to a socket of the host's.
TEST_P(JailProbeAlone, TheMonitorFollowsNoLinkToAnotherSocket) {
  ProbeVm probe(GetParam());
  probe.add_argument("--api-link");
  probe.run();
  EXPECT_THAT(probe.console(), HasSubstr("probe: links its API"));
  EXPECT_THAT(probe.console(), Not(HasSubstr("FAILED")));
  EXPECT_FALSE(probe.traps_were_reached());
}

// A probe that makes threads until it gets no more, and stays.
class CrowdedVm {
 public:
  explicit CrowdedVm(EngineType engine) : probe_(engine) {
    probe_.add_argument("--crowd");
    launcher_ = std::thread([this] { probe_.run(); });
  }
  ~CrowdedVm() {
    const pid_t engine = find_engine(probe_.vm().spec.entry.name);
    if (engine != 0) ::kill(engine, SIGKILL);
    launcher_.join();
  }

  // 0 if it says nothing, or was not stopped.
  int threads() {
    std::smatch found;
    const std::regex crowd("a crowd of ([0-9]+) threads \\(EAGAIN\\)");
    std::string console;
    const auto has_said_it = [&] {
      console = exists(probe_.vm().path("console.log")) ? probe_.console() : "";
      return std::regex_search(console, found, crowd);
    };
    return monitor::becomes_true(has_said_it, std::chrono::seconds(20)) ? std::stoi(found[1]) : 0;
  }

 private:
  ProbeVm probe_;
  std::thread launcher_;
};

// The kernel counts processes by user, and an ordinary user's VMs have one. Each has a user namespace of its
// own, whose count is what the limit is about.
TEST_P(JailProbeAlone, ThreadsOfOneVmAreNotTakenFromAnother) {
  CrowdedVm first(GetParam());
  const int alone = first.threads();
  CrowdedVm second(GetParam());
  EXPECT_THAT(alone, testing::AllOf(testing::Gt(400), testing::Le(512)));
  EXPECT_EQ(second.threads(), alone);
}

INSTANTIATE_TEST_SUITE_P(, JailProbeAlone, testing::ValuesIn(store::kEngineTypes),
                         [](const auto& engine) { return std::string(store::to_text(engine.param)); });

}  // namespace
}  // namespace knaller::test
