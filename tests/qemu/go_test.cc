// The Go program (github.com/benben/knaller), which nobody here wrote, with knaller-qemu as its firecracker.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "engine.h"
#include "live_vm.h"
#include "tiny_guest.h"

namespace knaller::test {
namespace {

using ::testing::HasSubstr;

std::string reason_to_skip() {
  if (::geteuid() == 0) return "the Go program's pasta does not run as root";
  for (const char* program :
       {"knaller-go", "qemu-system-x86_64", "pasta", "ip", "nft", "sysctl", "unshare"}) {
    if (find_program(program).empty()) return fmt::format("no {} on PATH", program);
  }
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) return "/dev/net/tun does not open";
  return {};
}

class GoProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = reason_to_skip(); !reason.empty()) GTEST_SKIP() << reason;
    home_.write("vmlinux", counting_kernel());
    home_.make_sparse("rootfs.ext4", 8 << 20);
  }

  SpawnOptions command(const std::vector<std::string>& words) const {
    SpawnOptions options;
    options.argv = words;
    options.search_path = true;
    options.working_directory = home_.path();
    options.environment = {"HOME=" + home_.path(),
                           fmt::format("PATH={}:/usr/sbin:/sbin", std::getenv("PATH"))};
    return options;
  }

  // Its VM's console goes to the file NAME. All that it leaves behind ends with its pid namespace.
  Child start(const std::string& name, std::vector<std::string> more) const {
    const UniqueFd console = open_at(home_.fd(), name, O_WRONLY | O_CREAT | O_APPEND);
    std::vector<std::string> words = {
        "unshare",      "--user",    "--map-current-user",       "--mount", "--pid", "--fork", "--kill-child",
        "--mount-proc", "--",        find_program("knaller-go"), "start",   "-name", name,     "-verbose",
        "-firecracker", KNALLER_QEMU};
    words.insert(words.end(), more.begin(), more.end());
    SpawnOptions options = command(words);
    options.stdout_fd = console.get();
    options.stderr_fd = console.get();
    return spawn(options);
  }

  std::string run(std::vector<std::string> words) const {
    words.insert(words.begin(), "knaller-go");
    const auto output = run_program(command(words), guest_patience());
    EXPECT_TRUE(output.status.success()) << output.err;
    return output.out + output.err;
  }

  // Until the guest has said `count` letters more than it has now.
  void wait_for_letters(const std::string& name, size_t count, Child& child) const {
    const UniqueFd watcher(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    ASSERT_GE(::inotify_add_watch(watcher.get(), home_.path(name).c_str(), IN_MODIFY), 0);
    const size_t wanted = letters(name) + count;
    const Deadline deadline = guest_patience();
    while (letters(name) < wanted) {
      ASSERT_EQ(poll_until(child.pidfd(), POLLIN, Deadline::after(std::chrono::seconds(0))), 0)
          << home_.read(name);
      char events[4096];
      ASSERT_NE(poll_until(watcher.get(), POLLIN, deadline), 0) << home_.read(name);
      while (::read(watcher.get(), events, sizeof events) > 0) {
      }
    }
  }

  EngineFolder home_;

 private:
  // The longest run of the alphabet, in order and from anywhere, is what the guest wrote.
  size_t letters(const std::string& name) const {
    const std::string text = home_.read(name);
    size_t count = 0;
    for (size_t i = 1; i < text.size(); ++i) {
      if (text[i] == text[i - 1] + 1 || (text[i] == 'a' && text[i - 1] == 'z')) ++count;
    }
    return count;
  }
};

TEST_F(GoProgram, StartsPausesSnapshotsRestoresAndStops) {
  Child first =
      start("one", {"-kernel", home_.path("vmlinux"), "-rootfs", home_.path("rootfs.ext4"), "-mem", "128"});
  wait_for_letters("one", 30, first);
  EXPECT_THAT(run({"list"}), HasSubstr("one"));
  EXPECT_THAT(run({"pause", "-name", "one"}), HasSubstr("paused"));
  EXPECT_THAT(run({"resume", "-name", "one"}), HasSubstr("resumed"));
  wait_for_letters("one", 5, first);

  const std::string said = run({"snapshot", "-name", "one"});
  const size_t id = said.find("Snapshot snap_");
  ASSERT_NE(id, std::string::npos) << said;
  const std::string snapshot = said.substr(id + 9, 13);
  wait_for_letters("one", 5, first);

  Child second = start("two", {"-from-snapshot", snapshot});
  wait_for_letters("two", 30, second);
  wait_for_letters("one", 5, first);
  EXPECT_THAT(run({"snapshot", "ls"}), HasSubstr(snapshot));

  for (const auto& [name, child] : {std::pair("one", &first), std::pair("two", &second)}) {
    run({"stop", "-name", name});
    const auto status = child->wait(guest_patience());
    EXPECT_TRUE(status) << name << " did not end: " << home_.read(name);
  }
}

}  // namespace
}  // namespace knaller::test
