// What an engine in its jail is and sees, looked at from outside while it runs: capabilities, ids, root,
// descriptors.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/process.h"
#include "monitor/engine_identity.h"
#include "monitor/test_vm.h"
#include "net/vm_namespaces.h"

namespace knaller::monitor {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSubsetOf;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

std::string status_field(pid_t pid, const std::string& field) {
  const std::string status = read_file(fmt::format("/proc/{}/status", pid));
  for (const auto line : split(status, '\n')) {
    if (line.starts_with(field + ":")) return std::string(trim(line.substr(field.size() + 1)));
  }
  return "no such field";
}

std::string link_of(const std::string& path) {
  char target[4096];
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  return length < 0 ? std::string() : std::string(target, static_cast<size_t>(length));
}

std::string in_root(pid_t pid, const std::string& path) {
  return fmt::format("/proc/{}/root{}", pid, path);
}

std::vector<std::string> list(const std::string& path) {
  return list_directory(open_directory(path).get());
}

// The mount lines of the engine's namespace, "/vm rw,nosuid,…", by mount point.
std::string mount_options(pid_t pid, const std::string& point) {
  const std::string mounts = read_file(fmt::format("/proc/{}/mountinfo", pid));
  for (const auto line : split(mounts, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() > 5 && words[4] == point) return std::string(words[5]);
  }
  return "not mounted";
}

class JailTest : public testing::Test {
 protected:
  pid_t start() {
    launch_.emplace(vm_.start());
    return launch_->engine_pid();
  }

  TestVm vm_;
  std::optional<Launch> launch_;
  ~JailTest() override {
    if (launch_) vm_.stop(seconds(1), true);
  }
};

TEST_F(JailTest, TheEngineHasNoCapabilityAndNoWayToGainOne) {
  const pid_t engine = start();
  for (const auto* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(status_field(engine, set), "0000000000000000") << set;
  }
  EXPECT_EQ(status_field(engine, "NoNewPrivs"), "1");
  EXPECT_EQ(status_field(engine, "Seccomp"), "2");
  // A user namespace below its own would give it all of them again.
  net::VmNamespaces::of(engine).run_inside([] {
    if (read_file("/proc/sys/user/max_user_namespaces") != "0\n")
      fail(Code::kInternal, "it may make user namespaces");
  });
}

TEST_F(JailTest, TheEngineHasItsOwnNamespacesAndIsItsUserOrNobody) {
  const pid_t engine = start();
  for (const auto* name : {"user", "pid", "mnt", "net", "ipc", "uts"}) {
    EXPECT_NE(link_of(fmt::format("/proc/{}/ns/{}", engine, name)),
              link_of(fmt::format("/proc/self/ns/{}", name)))
        << name;
  }
  EXPECT_THAT(status_field(engine, "NSpid"), testing::EndsWith("\t1"));
  const EngineIdentity identity = engine_identity(vm_.spec.uuid);
  EXPECT_EQ(identity.borrowed, ::geteuid() == 0);
  const auto four = [](uint32_t id) { return fmt::format("{0}\t{0}\t{0}\t{0}", id); };
  EXPECT_EQ(status_field(engine, "Uid"), four(identity.host_uid));
  EXPECT_EQ(status_field(engine, "Gid"), four(identity.host_gid));
  if (identity.borrowed) {
    EXPECT_NE(identity.host_uid, 0U);
    EXPECT_EQ(status_field(engine, "Groups"), "");
  } else {
    EXPECT_EQ(read_file(fmt::format("/proc/{}/setgroups", engine)), "deny\n");
  }
  // Of another session and process group than the monitor: kill(0, …) reaches nobody else.
  EXPECT_NE(::getpgid(engine), ::getpgid(launch_->monitor_pid()));
}

TEST_F(JailTest, TheRootShowsNothingOfTheUsersButTheVmsDirectory) {
  const pid_t engine = start();
  EXPECT_THAT(list(in_root(engine, "")), IsSubsetOf({"bin", "dev", "engine", "etc", "lib", "lib32", "lib64",
                                                     "libx32", "proc", "sbin", "usr", "vm"}));
  EXPECT_THAT(list(in_root(engine, "/etc")), ElementsAre("ld.so.cache"));
  EXPECT_THAT(list(in_root(engine, "/dev")),
              IsSubsetOf({"kvm", "null", "urandom"}));  // and no network: no TAP
  EXPECT_THAT(list(in_root(engine, "/usr")), IsSubsetOf({"lib", "lib64"}));
  EXPECT_THAT(list(in_root(engine, "/engine")), ElementsAre("fake_firecracker"));
  EXPECT_THAT(list(in_root(engine, "/vm")),
              UnorderedElementsAre("api.sock", "log", "rootfs.ext4", "vmlinux"));
  EXPECT_EQ(link_of(fmt::format("/proc/{}/cwd", engine)), "/vm");
  EXPECT_FALSE(exists(in_root(engine, vm_.home())));
  EXPECT_FALSE(exists(in_root(engine, "/home")));
  EXPECT_THAT(list(in_root(engine, "/proc")), Not(Contains("meminfo")));
  EXPECT_THAT(list(in_root(engine, "/proc")), Contains("self"));
}

TEST_F(JailTest, OnlyTheVmsDirectoryCanBeWritten) {
  const pid_t engine = start();
  for (const auto* point : {"/", "/etc/ld.so.cache", "/engine/fake_firecracker", "/vm/vmlinux"}) {
    EXPECT_THAT(mount_options(engine, point), StartsWith("ro")) << point;
  }
  EXPECT_THAT(mount_options(engine, ::geteuid() == 0 ? "/dev" : "/dev/null"), StartsWith("ro"));
  for (const std::string& library : vm_.spec.engine_files)
    EXPECT_THAT(mount_options(engine, library), StartsWith("ro")) << library;
  EXPECT_THAT(mount_options(engine, "/vm"), StartsWith("rw,nosuid,nodev,noexec"));
  EXPECT_THAT(read_file(fmt::format("/proc/{}/mountinfo", engine)), Not(HasSubstr("/home ")));
}

TEST_F(JailTest, TheEngineInheritsItsOutputAndTheLockAndNothingElse) {
  const pid_t engine = start();
  const std::string fds = fmt::format("/proc/{}/fd", engine);
  struct stat input;
  ASSERT_EQ(::stat((fds + "/0").c_str(), &input), 0);
  EXPECT_EQ(input.st_rdev, makedev(1, 3));  // /dev/null, and the jail's
  EXPECT_THAT(link_of(fds + "/1"), StartsWith("pipe:"));
  EXPECT_THAT(link_of(fds + "/2"), StartsWith("pipe:"));
  EXPECT_THAT(link_of(fds + "/3"), testing::EndsWith("/alive"));
  EXPECT_THAT(read_file(fmt::format("/proc/{}/fdinfo/3", engine)),
              testing::ContainsRegex("flags:\t[0-7]*0\n"));  // O_RDONLY
  std::vector<std::string> others;
  for (const auto& fd : list(fds)) others.push_back(link_of(fmt::format("{}/{}", fds, fd)));
  // What the engine opened itself lies in its own root; nothing else of the VM's directory, and no socket of
  // the monitor's.
  EXPECT_THAT(others, Not(Contains(HasSubstr("monitor.sock"))));
  EXPECT_THAT(others, Not(Contains(HasSubstr("console.log"))));
  EXPECT_THAT(others, Not(Contains(testing::EndsWith("/vms/" + vm_.spec.entry.name))));
  const std::string environment = read_file(fmt::format("/proc/{}/environ", engine));
  EXPECT_THAT(environment, Not(HasSubstr("HOME=")));
}

TEST_F(JailTest, TheLocksAreTheMonitorsAndTheEnginesEachItsOwn) {
  start();
  const UniqueFd alive = open_at(AT_FDCWD, vm_.path("alive"), O_RDONLY);
  EXPECT_TRUE(is_byte_locked(alive.get(), 0));
  EXPECT_TRUE(is_byte_locked(alive.get(), 1));
  EXPECT_FALSE(is_byte_locked(alive.get(), 2));
}

TEST(JailDevicesTest, AnEngineIsShownThoseThatItsVmNeeds) {
  TestVm vm;
  vm.spec.kvm = false;
  vm.spec.network = net::standard_plan({});
  const Launch launch = vm.start();
  EXPECT_THAT(list(in_root(launch.engine_pid(), "/dev")), UnorderedElementsAre("net", "null", "urandom"));
  vm.stop(seconds(5), true);
}

TEST(EngineIdentityTest, EachVmOfRootsHasAnIdOfItsOwn) {
  const uid_t one = borrowed_id("5afa93e8-dd82-431d-94ad-2f8db799aaa0");
  EXPECT_EQ(one, borrowed_id("5afa93e8-dd82-431d-94ad-2f8db799aaa0"));
  EXPECT_NE(one, borrowed_id("5afa93e8-dd82-431d-94ad-2f8db799aaa1"));
  EXPECT_GT(one, 1'000'000'000U);
}

TEST(JailFilesTest, AStaticEngineIsShownNothingOfTheHosts) {
  EXPECT_THAT(engine::engine_files(KNALLER_TEST_PROGRAMS "/guest/guest",
                                   engine::family_of(store::EngineType::kFirecracker), soon()),
              testing::IsEmpty());
}

TEST(JailPathsTest, LongHomesWithSpacesWork) {
  TestVm vm(std::string(100, 'h') + "/with some spaces/" + std::string(100, 'o'));
  Launch launch = vm.start();
  EXPECT_EQ(vm.client().status(soon()).state, RunState::kRunning);
  vm.stop(seconds(5), false);
}

TEST(JailPathsTest, AForeignAbsolutePathShowsTheVmsOwnFile) {
  TestVm vm;
  vm.spec.binds = {{"rootfs.ext4", "/home/someone/go-vm/rootfs.ext4"}};
  Launch launch = vm.start();
  const std::string seen = in_root(launch.engine_pid(), "/home/someone/go-vm/rootfs.ext4");
  EXPECT_EQ(read_file(seen), "a root file system");
  EXPECT_THAT(list(in_root(launch.engine_pid(), "/home/someone")), ElementsAre("go-vm"));
  vm.stop(seconds(5), false);
}

TEST(JailPathsTest, AForeignPathInTheJailsOwnPlacesIsRefused) {
  for (const auto* path : {"/usr/lib/x", "/vm/../x", "/etc/passwd", "relative", "/", "/dev/kvm", "/a//b"}) {
    TestVm vm;
    vm.spec.binds = {{"rootfs.ext4", path}};
    EXPECT_EQ(code_thrown_by([&] { vm.begin(); }), Code::kUnsupported) << path;
    EXPECT_THAT(vm.entries(), testing::IsEmpty());
  }
}

TEST(JailPathsTest, ALinkInPlaceOfAFileIsRefused) {
  TestVm vm;
  write_file_atomically(AT_FDCWD, vm.folder("secret"), "a secret of the user's");
  ASSERT_EQ(::symlink(vm.folder("secret").c_str(), vm.staged("jail/disk.ext4").c_str()), 0);
  vm.spec.binds = {{"disk.ext4", "/elsewhere/disk.ext4"}};
  EXPECT_EQ(code_thrown_by([&] { vm.begin(); }), Code::kCorrupt);
  EXPECT_EQ(read_file(vm.folder("secret")), "a secret of the user's");
}

TEST(JailPathsTest, AnEngineThatIsNotThereIsNamed) {
  TestVm vm;
  vm.spec.engine_binary = "/nowhere/firecracker";
  try {
    vm.begin();
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_THAT(error.what(), HasSubstr("/nowhere/firecracker"));
  }
  EXPECT_THAT(vm.entries(), testing::IsEmpty());
}

}  // namespace
}  // namespace knaller::monitor
