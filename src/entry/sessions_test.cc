// Programs that outlive their clients, by an agent that serves this machine.
#include "entry/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "entry/exec.h"
#include "entry/test_agent.h"

namespace knaller::entry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SessionsTest : public AgentTest {
 protected:
  Link link() const { return Link({connect(), {}}, "uuid-of-web"); }
  std::string begin(const std::string& script, ExecOptions options = {}) const {
    options.argv = {"sh", "-c", script};
    Link used = link();
    return detach(used, options);
  }
  std::vector<SessionInfo> list() const {
    Link used = link();
    return list_sessions(used, kSoon);
  }
  void signal(const std::string& session, int number) const {
    Link used = link();
    signal_session(used, session, number, kSoon);
  }
  struct Attached {
    ExecResult result;
    std::string output, errors;
  };
  Attached attach_to(const std::string& session, const std::string& input = "",
                     ExecOptions options = {}) const {
    Attached attached;
    Pipe in = make_pipe();
    UniqueFd out, err;
    std::jthread out_reader = collect(out, attached.output), err_reader = collect(err, attached.errors);
    if (!input.empty()) {
      write_all(in.write_end.get(), input, "input");
      in.write_end.reset();
      options.stdin_fd = in.read_end.get();
    }
    options.stdout_fd = out.get();
    options.stderr_fd = err.get();
    Link used = link();
    std::optional<Error> failure;
    try {
      attached.result = attach(used, session, options);
    } catch (const Error& error) {
      failure = error;
    }
    out.reset();
    err.reset();
    out_reader.join();
    err_reader.join();
    if (failure) throw Error(*failure);
    return attached;
  }
  // What is written to the descriptor, until that is closed.
  static std::jthread collect(UniqueFd& write_end, std::string& text) {
    Pipe pipe = make_pipe();
    write_end = std::move(pipe.write_end);
    return std::jthread([&text, from = std::move(pipe.read_end)] {
      text = read_to_end(from.get(), 8 << 20, "what it says");
    });
  }
  static void until(const std::function<bool()>& is_so) {
    while (!is_so()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
};

TEST_F(SessionsTest, ADetachedProgramRunsOnAndIsListed) {
  const std::string id = begin("sleep 1000");
  const auto sessions = list();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(sessions[0].id, session_text(id));
  EXPECT_THAT(sessions[0].argv, ElementsAre("sh", "-c", "sleep 1000"));
  EXPECT_TRUE(sessions[0].detached && sessions[0].running && !sessions[0].attached && !sessions[0].tty);
  EXPECT_EQ(::kill(sessions[0].process, 0), 0);
  EXPECT_EQ(sessions[0].user, "root");
  EXPECT_LT(std::chrono::system_clock::now() - sessions[0].started_at, std::chrono::minutes(1));
  signal(id, SIGTERM);
  until([&] { return !list()[0].running; });
  EXPECT_EQ(list()[0].result.signal, SIGTERM);
  EXPECT_EQ(code_thrown_by([&] { signal(id, SIGTERM); }), Code::kNotFound);
}

TEST_F(SessionsTest, WhoAttachesGetsWhatWasSaidAndTheEnd) {
  const std::string id = begin("echo out; echo err >&2; exit 7");
  until([&] { return !list()[0].running; });
  const Attached attached = attach_to(id);
  EXPECT_EQ(attached.output, "out\n");
  EXPECT_EQ(attached.errors, "err\n");
  EXPECT_EQ(attached.result.exit_code, 7);
  until([&] { return list().empty(); });
  EXPECT_EQ(code_thrown_by([&] { attach_to(id); }), Code::kNotFound);
}

TEST_F(SessionsTest, ItIsNotKeptWaitingWhenNobodyReads) {
  const std::string folder = folder_.path();
  const std::string id = begin(
      "i=0; while [ $i -lt 40000 ]; do echo line $i of many, none of which is read; i=$((i+1)); done; "
      "touch " +
      folder + "/done");
  until([&] { return std::filesystem::exists(folder + "/done") && !list()[0].running; });
  const Attached attached = attach_to(id);
  EXPECT_LE(attached.output.size(), channel::kWindow);
  EXPECT_GT(attached.output.size(), channel::kWindow / 2);
  EXPECT_TRUE(attached.output.ends_with("line 39999 of many, none of which is read\n"));
}

TEST_F(SessionsTest, ItKeepsNobodyElseWaitingHoweverMuchItSays) {
  const std::string id = begin("exec yes");
  for (int i = 0; i < 20; ++i) {
    ExecOptions options;
    options.argv = {"true"};
    Link used = link();
    EXPECT_EQ(exec(used, options).exit_code, 0);
  }
  signal(id, SIGKILL);
}

TEST_F(SessionsTest, TheOneWhoAttachesSecondGoesOnWhereTheFirstWas) {
  const std::string go = folder_.path("go");
  const std::string id = begin("echo one; while [ ! -e " + go + " ]; do sleep 0.01; done; echo two; exit 3");
  {
    Pipe out = make_pipe();
    std::stop_source stop;
    std::jthread first([&] {
      ExecOptions options;
      options.stdout_fd = out.write_end.get();
      options.stop = stop.get_token();
      Link used = link();
      EXPECT_EQ(code_thrown_by([&] { attach(used, id, options); }), Code::kCancelled);
    });
    char text[4];
    EXPECT_EQ(read_up_to(out.read_end.get(), text, 4, "output"), 4u);
    until([&] { return list()[0].attached; });
    stop.request_stop();
  }
  until([&] { return !list()[0].attached; });
  write_file_atomically(AT_FDCWD, go, "", Durability::kNoSync);
  const Attached attached = attach_to(id);
  EXPECT_TRUE(attached.output.ends_with("two\n")) << attached.output;
  EXPECT_EQ(attached.result.exit_code, 3);
}

TEST_F(SessionsTest, InputIsAtItsEndUnlessItIsToBeKept) {
  EXPECT_EQ(attach_to(begin("cat; echo end")).output, "end\n");
  ExecOptions options;
  options.keep_input = true;
  EXPECT_EQ(attach_to(begin("cat; echo end", options), "hello\n").output, "hello\nend\n");
}

TEST_F(SessionsTest, OneCanLeaveATerminalByAKey) {
  ExecOptions options;
  options.tty = options.keep_input = true;
  const std::string id =
      begin("read line; echo got $line; touch " + folder_.path("got") + "; sleep 1000", options);
  ASSERT_TRUE(list()[0].tty);
  options.leave_key = 0x1d;
  const Attached attached = attach_to(id, "word\n\x1d typed afterwards", options);
  EXPECT_TRUE(attached.result.left);
  until([&] { return !list()[0].attached && std::filesystem::exists(folder_.path("got")); });
  EXPECT_TRUE(list()[0].running);
  signal(id, SIGKILL);
  EXPECT_THAT(attach_to(id).output, HasSubstr("got word"));
}

TEST_F(SessionsTest, WhatCannotBeBegunIsSaid) {
  ExecOptions options;
  options.argv = {"/no/such/program"};
  EXPECT_THAT(message_thrown_by([&] {
                Link used = link();
                detach(used, options);
              }),
              HasSubstr("run '/no/such/program' in the guest"));
  until([&] { return list().empty(); });
  EXPECT_EQ(code_thrown_by([&] { session_bytes("0123"); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([&] { session_bytes(std::string(32, 'x')); }), Code::kInvalidArgument);
  EXPECT_EQ(session_bytes(session_text("0123456789abcdef")), "0123456789abcdef");
}

TEST_F(SessionsTest, TheAgentForgetsEndsWhenItHasTooMany) {
  for (int i = 0; i < 520; ++i) begin("exit 0");
  EXPECT_LE(list().size(), 512u);
}

TEST_F(SessionsTest, WhatTheAgentCannotPassOnIsRefused) {
  for (const ExecOptions& options : {ExecOptions{.argv = {std::string("a\0b", 3)}},
                                     ExecOptions{.argv = {"a"}, .environment = {{"", "x"}}}}) {
    Link used = link();
    EXPECT_EQ(code_thrown_by([&] { exec(used, options); }), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace knaller::entry
