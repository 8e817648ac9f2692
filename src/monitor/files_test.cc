// What a monitor keeps on disk and sends over sockets: logs, exit records, launch requests, the alive locks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/test_folder.h"
#include "monitor/alive.h"
#include "monitor/capped_log.h"
#include "monitor/exit_record.h"
#include "monitor/spec.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

uint64_t size_of(const TestFolder& folder, const std::string& name) {
  const auto status = stat_if_exists(folder.fd(), name);
  return status ? static_cast<uint64_t>(status->st_size) : 0;
}

TEST(CappedLogTest, NeverTakesMoreThanItsLimitAndKeepsTheEnd) {
  TestFolder folder;
  CappedLog log(folder.fd(), "log", {.limit = 1000});
  std::string all;
  for (int i = 0; i < 500; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    log.append(line);
    all += line;
    ASSERT_LE(size_of(folder, "log") + size_of(folder, "log.1"), 1000u);
  }
  const std::string kept = read_file(folder.fd(), "log.1") + read_file(folder.fd(), "log");
  EXPECT_GE(kept.size(), 500u);
  EXPECT_EQ(kept, all.substr(all.size() - kept.size()));
  EXPECT_FALSE(log.failing());
}

TEST(CappedLogTest, RotatesBetweenRecordsWhereTheyAreToStayWhole) {
  TestFolder folder;
  CappedLog log(folder.fd(), "log", {.limit = 1000, .whole = true});
  const std::string record = std::string(98, 'x') + "\n";
  for (int i = 0; i < 8; ++i) log.append(record);
  EXPECT_EQ(size_of(folder, "log.1"), 5 * record.size());
  EXPECT_EQ(size_of(folder, "log"), 3 * record.size());
  log.append(std::string(700, 'y') + "\n");
  EXPECT_LE(size_of(folder, "log") + size_of(folder, "log.1"), 1000u);
}

TEST(CappedLogTest, OnePieceMayBeLargerThanTheLimit) {
  TestFolder folder;
  CappedLog log(folder.fd(), "log", {.limit = 1000});
  log.append(std::string(10'000, 'x') + "end");
  const std::string kept = read_file(folder.fd(), "log.1") + read_file(folder.fd(), "log");
  EXPECT_LE(kept.size(), 1000u);
  EXPECT_TRUE(kept.ends_with("xend"));
}

TEST(CappedLogTest, AStartBeginsANewOneAndAnAppenderGoesOn) {
  TestFolder folder;
  CappedLog(folder.fd(), "log", {}).append("first\n");
  CappedLog(folder.fd(), "log", {}).append("second\n");
  EXPECT_EQ(read_file(folder.fd(), "log"), "second\n");
  EXPECT_EQ(read_file(folder.fd(), "log.1"), "first\n");
  CappedLog(folder.fd(), "log", {.begin = CappedLog::Begin::kAppend}).append("third\n");
  EXPECT_EQ(read_file(folder.fd(), "log"), "second\nthird\n");
  struct stat status;
  ASSERT_EQ(::stat(folder.path("log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(CappedLogTest, LeavesOutWhatComesTooFastAndSaysHowMuch) {
  TestFolder folder;
  CappedLog log(folder.fd(), "log", {.rate = {.burst = 100, .per_second = 10}});
  const CappedLog::Clock::time_point begin{};
  log.append(std::string(100, 'a'), begin);
  log.append("lost ", begin);
  log.append("lost ", begin + std::chrono::milliseconds(100));
  log.append("kept", begin + std::chrono::seconds(1));
  EXPECT_EQ(read_file(folder.fd(), "log"),
            std::string(100, 'a') + "\n[knaller: 10 bytes were dropped here, they came too fast]\nkept");
}

// The last words, a panic's say, are what somebody will look for.
TEST(CappedLogTest, EndsWithTheLastThatWasLeftOut) {
  TestFolder folder;
  CappedLog log(folder.fd(), "log", {.rate = {.burst = 10, .per_second = 1}});
  log.append("0123456789");
  log.end_gap("nothing was left out");
  log.append("much of it");
  log.append(" and the end");
  log.end_gap("0123456789much of it and the end");
  EXPECT_EQ(read_file(folder.fd(), "log"), "0123456789much of it and the end");
  log.append("01234567890");
  log.end_gap("890");
  EXPECT_TRUE(read_file(folder.fd(), "log")
                  .ends_with("\n[knaller: 8 bytes were dropped here, they came too fast]\n890"));
}

TEST(CappedLogTest, KnowsItsSizeAfterHalfAWrite) {
  TestFolder folder;
  CappedLog log(folder.fd(), "log", {.limit = 1000});
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit low = {300, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  log.append(std::string(400, 'a'));
  EXPECT_TRUE(log.failing());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  log.append(std::string(300, 'b'));
  EXPECT_FALSE(log.failing());
  EXPECT_EQ(size_of(folder, "log.1"), 500u);
  EXPECT_EQ(size_of(folder, "log"), 100u);
}

TEST(ExitRecordTest, IsReadAsItWasWritten) {
  TestFolder folder;
  EXPECT_FALSE(read_exit_record(folder.fd()));
  ExitRecord record{.state = EndState::kCrashed, .reason = "killed by signal 9", .signal = 9};
  record.at = std::chrono::system_clock::now();
  write_exit_record(folder.fd(), record);
  const auto read = read_exit_record(folder.fd());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->state, record.state);
  EXPECT_EQ(read->reason, record.reason);
  EXPECT_EQ(read->signal, 9);
  EXPECT_FALSE(read->rc);
  EXPECT_EQ(read->at, record.at);
}

TEST(ExitRecordTest, TakesTheRoomThatWasReservedAndLeavesNone) {
  TestFolder folder;
  ASSERT_TRUE(reserve_exit_record(folder.fd()));
  const auto reserved = stat_if_exists(folder.fd(), layout::kExitReserve);
  ASSERT_TRUE(reserved);
  EXPECT_GE(reserved->st_blocks * 512, 4096);
  EXPECT_TRUE(reserve_exit_record(folder.fd()));  // again, after a killed monitor
  write_exit_record(folder.fd(), {.state = EndState::kStopped, .reason = "x"});
  EXPECT_FALSE(stat_if_exists(folder.fd(), layout::kExitReserve));
  EXPECT_EQ(read_exit_record(folder.fd())->reason, "x");
}

TEST(CappedLogTest, KeepsRoomAheadThatNobodySees) {
  TestFolder folder;
  CappedLog log(folder.fd(), "log", {.limit = 1 << 20, .ahead = 64 << 10});
  log.append("a line\n");
  const auto status = stat_if_exists(folder.fd(), "log");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->st_size, 7);
  EXPECT_GE(status->st_blocks * 512, 64 << 10);
  for (int i = 0; i < 2000; ++i) log.append(std::string(99, 'x') + "\n");
  const auto later = stat_if_exists(folder.fd(), "log");
  EXPECT_GE(later->st_blocks * 512, later->st_size + (32 << 10) - 4096);
}

TEST(ExitRecordTest, WhatIsNoneIsCorrupt) {
  TestFolder folder;
  for (const auto* text : {"", "[]", "{}", R"({"state":"flying","reason":"","at":"2026-11-23T09:26:15Z"})",
                           R"({"state":"stopped","reason":7,"at":"2026-11-23T09:26:15Z"})",
                           R"({"state":"stopped","reason":"","at":"yesterday"})",
                           R"({"state":"stopped","reason":"","rc":1e99,"at":"2026-11-23T09:26:15Z"})"}) {
    write_file_atomically(folder.fd(), "exit.json", text, Durability::kNoSync);
    EXPECT_EQ(code_thrown_by([&] { read_exit_record(folder.fd()); }), Code::kCorrupt) << text;
  }
}

TEST(LaunchSpecTest, CrossesTheSocketUnchanged) {
  LaunchSpec spec;
  spec.home = "/a home/with \"quotes\"";
  spec.entry = {.name = "web", .how = store::EntryChange::How::kReplace};
  spec.uuid = "uuid";
  spec.engine = store::EngineType::kQemu;
  spec.engine_binary = "/usr/bin/engine";
  spec.engine_args = {"--x", ""};
  spec.boot = {firecracker::start_instance()};
  spec.load = {{.method = "PUT", .path = "/snapshot/load", .body = "{\"a\":1}"}};
  spec.network =
      net::go_plan("web", {{.host = 0, .guest = 22},
                           {.address = "0.0.0.0", .host = 80, .guest = 81, .protocol = Protocol::kUdp}});
  spec.pasta_binary = "/usr/bin/pasta";
  spec.binds = {{"rootfs.ext4", "/home/u/rootfs.ext4"}};
  spec.immutable = {"vmlinux"};
  spec.restart_on_reboot = false;
  spec.tied = spec.remove_at_end = true;
  const Json json = spec_to_json(spec);
  const LaunchSpec read = spec_from_json(parse_json(dump_json(json), "spec"));
  EXPECT_EQ(spec_to_json(read), json);
  EXPECT_EQ(read.engine, spec.engine);
  EXPECT_EQ(read.entry, spec.entry);
  EXPECT_EQ(read.boot, spec.boot);
  EXPECT_EQ(read.load, spec.load);
  EXPECT_EQ(read.network, spec.network);
  EXPECT_EQ(read.binds, spec.binds);
  EXPECT_FALSE(read.restart_on_reboot);
}

TEST(LaunchSpecTest, OneThatIsNoneIsRefused) {
  EXPECT_EQ(code_thrown_by([] { spec_from_json(Json::object()); }), Code::kInvalidArgument);
  LaunchSpec spec;
  spec.entry.name = "web";
  EXPECT_NO_THROW(spec_from_json(spec_to_json(spec)));
  Json json = spec_to_json(spec);
  json["immutable"] = {1, 2};
  EXPECT_EQ(code_thrown_by([&] { spec_from_json(json); }), Code::kInvalidArgument);
  json = spec_to_json(spec);
  json["engine"] = "crosvm";
  EXPECT_EQ(code_thrown_by([&] { spec_from_json(json); }), Code::kUnsupported);
}

// As monitors of before know it.
TEST(LaunchSpecTest, AnEntryIsADirectoryANameAndTwoFlags) {
  using How = store::EntryChange::How;
  const auto members = [](How how) {
    LaunchSpec spec;
    spec.entry = {.name = "web", .how = how};
    const Json json = spec_to_json(spec);
    return fmt::format("{} {} {} {}", json["directory"].get<std::string>(), json["name"].get<std::string>(),
                       json["remove_on_undo"].get<bool>(), json["replaces"].get<bool>());
  };
  EXPECT_EQ(members(How::kMake), "vms/.new-web web true false");
  EXPECT_EQ(members(How::kReplace), "vms/.new-web web true true");
  EXPECT_EQ(members(How::kKeep), "vms/web web false false");
  LaunchSpec spec;
  spec.entry.name = "web";
  for (const char* other :
       {"vms/web", "vms/.new-db", "images/.new-web", "vms/.new-web/..", "/vms/.new-web", ""}) {
    Json json = spec_to_json(spec);
    json["directory"] = other;
    EXPECT_EQ(code_thrown_by([&] { spec_from_json(json); }), Code::kInvalidArgument) << other;
  }
  for (const char* other : {"", ".", "..", "a/b"}) {
    LaunchSpec named;
    named.entry = {.name = other, .how = How::kKeep};
    const Json json = spec_to_json(named);
    EXPECT_EQ(code_thrown_by([&] { spec_from_json(json); }), Code::kInvalidArgument) << other;
  }
}

TEST(AliveTest, EitherLockMeansAliveAndLookingTakesNothing) {
  TestFolder folder;
  EXPECT_FALSE(is_alive(folder.fd()));
  UniqueFd monitor = lock_monitor_alive(folder.fd());
  EXPECT_TRUE(is_alive(folder.fd()));
  EXPECT_EQ(code_thrown_by([&] { lock_monitor_alive(folder.fd()); }), Code::kBusy);
  UniqueFd engine = lock_engine_alive(folder.fd(), Deadline::after(std::chrono::seconds(1)));
  monitor.reset();
  EXPECT_TRUE(is_alive(folder.fd()));
  EXPECT_FALSE(wait_until_dead(folder.fd(), Deadline::after(std::chrono::milliseconds(5))));
  EXPECT_EQ(
      code_thrown_by([&] { lock_engine_alive(folder.fd(), Deadline::after(std::chrono::milliseconds(5))); }),
      Code::kBusy);
  engine.reset();
  EXPECT_FALSE(is_alive(folder.fd()));
}

}  // namespace
}  // namespace knaller::monitor
