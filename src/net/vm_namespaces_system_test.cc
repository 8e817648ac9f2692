#include "net/vm_namespaces.h"

#include <gmock/gmock.h>

#include "net/test_namespace.h"

namespace knaller::net {
namespace {

std::string net_of(const std::string& pid) {
  char target[64];
  const ssize_t length = ::readlink(("/proc/" + pid + "/ns/net").c_str(), target, sizeof target);
  return length < 0 ? std::string() : std::string(target, static_cast<size_t>(length));
}

std::string net_of(pid_t pid) {
  return net_of(std::to_string(pid));
}

// A process in namespaces of its own, which goes on into others when it is told to.
class Mover {
 public:
  Mover() : ends_(make_socket_pair()) {
    pid_ = ::fork();
    if (pid_ != 0) {
      await();
      return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter_user_namespace(CLONE_NEWNET);
    answer_and_listen();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) ::_exit(1);
    answer_and_listen();
    ::_exit(0);
  }
  ~Mover() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  pid_t pid() const { return pid_; }
  void move_on() {
    write_all(ends_.first.get(), "g", "the mover");
    await();
  }

 private:
  void answer_and_listen() {
    write_all(ends_.second.get(), "a", "the test");
    char go;
    read_up_to(ends_.second.get(), &go, 1, "the test");
  }
  void await() {
    char answer;
    ASSERT_EQ(read_up_to(ends_.first.get(), &answer, 1, "the mover"), 1U);
  }

  std::pair<UniqueFd, UniqueFd> ends_;
  pid_t pid_ = -1;
};

class VmNamespacesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = namespaces_refused(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_F(VmNamespacesTest, AreThoseOfTheCloneWhereverTheProcessWentSince) {
  Mover mover;
  const VmNamespaces namespaces = VmNamespaces::of(mover.pid());
  const std::string first = net_of(mover.pid());
  mover.move_on();
  ASSERT_NE(net_of(mover.pid()), first);
  const Child holder = namespaces.hold_open();
  EXPECT_EQ(net_of(holder.pid()), first);
}

TEST_F(VmNamespacesTest, WorkInsideMayConfigureThem) {
  const Mover mover;
  const std::string outside = net_of("self");
  VmNamespaces::of(mover.pid()).run_inside([&] {
    if (net_of("self") == outside) fail(Code::kInternal, "it is still outside");
    write_proc("/proc/sys/net/ipv4/ip_forward", "1");
  });
}

TEST_F(VmNamespacesTest, WhatWorkThrowsIsThrown) {
  const Mover mover;
  try {
    VmNamespaces::of(mover.pid()).run_inside([] {
      throw Error(Code::kUnsupported, "no such rule", "a hint");
    });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_STREQ(error.what(), "no such rule");
    EXPECT_EQ(error.hint(), "a hint");
  }
}

TEST_F(VmNamespacesTest, TheHolderKeepsNothingElseOpen) {
  const Mover mover;
  const Pipe pipe = make_pipe();
  const Child holder = VmNamespaces::of(mover.pid()).hold_open();
  const auto open = list_directory(open_directory(fmt::format("/proc/{}/fd", holder.pid())).get());
  EXPECT_THAT(open, testing::IsSubsetOf({"0", "1", "2"}));
}

}  // namespace
}  // namespace knaller::net
