#include "cli/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/test_folder.h"
#include "cli/spec.h"

namespace knaller::cli {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// The row of a flag in the table, with all that it says of its values.
const Flag& row(std::string_view command, std::string_view flag) {
  const Flag* found = find_flag(find_command(command), flag);
  if (found == nullptr) throw Error(Code::kInternal, "no such flag");
  return *found;
}

template <typename T>
T value(const Flag& flag, const std::string& text) {
  return std::get<T>(convert(flag, text, "--it"));
}

Error refused(const Flag& flag, const std::string& text) {
  try {
    convert(flag, text, "--it");
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), testing::StartsWith("--it: ")) << text;
    return error;
  }
  ADD_FAILURE() << "'" << text << "' was accepted";
  return Error(Code::kInternal, "");
}

void expect_refused(const Flag& flag, const std::vector<std::string>& texts, const std::string& allowed) {
  for (const std::string& text : texts) {
    const Error error = refused(flag, text);
    EXPECT_EQ(error.code(), Code::kInvalidArgument) << text;
    EXPECT_THAT(error.message() + " " + error.hint(), HasSubstr(allowed)) << text;
  }
}

TEST(Values, CountsHaveTheirRange) {
  const Flag& level = row("snapshot export", "level");
  EXPECT_EQ(value<int64_t>(level, "1"), 1);
  EXPECT_EQ(value<int64_t>(level, "19"), 19);
  expect_refused(level, {"0", "20", "-1", "+1", " 1", "1.0", "", "x", "99999999999999999999"},
                 "a number from 1 to 19");
  const Flag& threads = row("snapshot export", "threads");
  EXPECT_EQ(value<int64_t>(threads, "64"), 64);
  expect_refused(threads, {"0", "65"}, "from 1 to 64");
  const Flag& keep = row("snapshot prune", "keep-last");
  EXPECT_EQ(value<int64_t>(keep, "0"), 0);
  EXPECT_EQ(value<int64_t>(keep, "2147483647"), 2147483647);
  expect_refused(keep, {"-1", "2147483648"}, "from 0 to 2147483647");
}

TEST(Values, LinesAreANumberOrAll) {
  const Flag& lines = row("logs", "lines");
  EXPECT_EQ(value<int64_t>(lines, "all"), -1);
  EXPECT_EQ(value<int64_t>(lines, "0"), 0);
  EXPECT_EQ(value<int64_t>(lines, "1000000000"), 1'000'000'000);
  expect_refused(lines, {"-1", "1.5", "many", "", "1000000001"}, "'all'");
}

TEST(Values, CpusAreReadToTheThousandth) {
  const Flag& cpus = row("start", "cpus");
  EXPECT_EQ(value<int64_t>(cpus, "1"), 1000);
  EXPECT_EQ(value<int64_t>(cpus, "32"), 32'000);
  EXPECT_EQ(value<int64_t>(cpus, "2.0000"), 2000);
  EXPECT_EQ(value<int64_t>(cpus, "0.5"), 500);
  EXPECT_EQ(value<int64_t>(cpus, "1.25"), 1250);
  EXPECT_EQ(value<int64_t>(cpus, "0.01"), 10);
  expect_refused(cpus, {"0.009", "32.001", "0.0005", "1.-5"}, "");
  expect_refused(cpus, {"0", "33", "-1", "one", "1.", ".5x", "1.x", "1e3", "", ".", "99999999999999999999"},
                 "a number of CPUs");
}

TEST(Values, SizesAreWholeMebibytes) {
  const Flag& mem = row("start", "mem");
  EXPECT_EQ(value<int64_t>(mem, "1"), 1);
  EXPECT_EQ(value<int64_t>(mem, "2G"), 2048);
  EXPECT_EQ(value<int64_t>(mem, "1.5GiB"), 1536);
  EXPECT_EQ(value<int64_t>(mem, "1073741824"), int64_t{1} << 30);  // 1 PiB
  expect_refused(mem, {"0", "-1", "1.5", "1K", "1 G", "0x10", "", "abc", "1073741825"}, "as in 1024 or 2G");
}

TEST(Values, TimesHaveUnits) {
  const Flag& timeout = row("stop", "timeout");
  EXPECT_EQ(value<milliseconds>(timeout, "0"), milliseconds(0));
  EXPECT_EQ(value<milliseconds>(timeout, "500ms"), milliseconds(500));
  EXPECT_EQ(value<milliseconds>(timeout, "30"), milliseconds(30'000));
  EXPECT_EQ(value<milliseconds>(row("snapshot prune", "max-age"), "2w"), milliseconds(14LL * 86'400'000));
  expect_refused(timeout, {"-1", "soon", "1y", "", "1 s"}, "500ms");
}

TEST(Values, WordsAreAmongThoseOfTheRow) {
  EXPECT_EQ(value<std::string>(row("start", "network"), "none"), "none");
  expect_refused(row("start", "network"), {"bridged", "", "rootless none", "None"}, "rootless, none");
  expect_refused(row("start", "on-reboot"), {"explode"}, "restart, stop");
  expect_refused(row("start", "egress"), {"all"}, "internet, none");
  expect_refused(row("rollback", "capture"), {"inside"}, "auto, outside, engine");
}

TEST(Values, AnEngineIsAWordOrAPath) {
  const Flag& engine = row("start", "engine");
  for (const char* text : {"auto", "firecracker", "qemu", "./mine", "/usr/bin/firecracker"})
    EXPECT_EQ(value<std::string>(engine, text), text);
  expect_refused(engine, {"vmware", ""}, "with a slash in it");
}

TEST(Values, FilesAreAbsolute) {
  const Flag& kernel = row("start", "kernel");
  EXPECT_EQ(value<std::string>(kernel, "/a//b/../c"), "/a/c");
  EXPECT_THAT(value<std::string>(kernel, "c"),
              testing::AllOf(testing::StartsWith("/"), testing::EndsWith("/c")));
  EXPECT_EQ(expand_tilde("~/x", "/home/a"), "/home/a/x");
  EXPECT_EQ(expand_tilde("~", "/home/a"), "/home/a");
  EXPECT_EQ(expand_tilde("~b/x", "/home/a"), "~b/x");
  EXPECT_EQ(expand_tilde("~/x", nullptr), "/x");
}

TEST(Values, PortsAndRulesAreTheLibrarys) {
  EXPECT_EQ(value<PortForward>(row("run", "port"), "0.0.0.0:53:5353/udp"),
            (PortForward{"0.0.0.0", 53, 5353, Protocol::kUdp}));
  expect_refused(row("run", "port"), {"80", "70000:80", "80:0", ""}, "");
  EXPECT_EQ(value<RuleOrNone>(row("set", "deny"), "10.0.0.0/8:53/udp"),
            (EgressRule{"10.0.0.0/8", 53, Protocol::kUdp}));
  EXPECT_EQ(value<RuleOrNone>(row("set", "allow"), "none"), std::nullopt);
  expect_refused(row("set", "allow"), {"10.0.0.0/33", "host.example", ""}, "");
}

TEST(Values, LimitsAreSizesASecondWithAndWithoutABurst) {
  const Flag& disk = row("set", "disk-bandwidth");
  EXPECT_EQ(value<Rate>(disk, "20M"), (Rate{20 << 20, 0}));
  EXPECT_EQ(value<Rate>(disk, "10"), (Rate{10 << 20, 0}));
  EXPECT_EQ(value<Rate>(disk, "1.5G:3G"), (Rate{uint64_t{3} << 29, uint64_t{3} << 30}));
  for (const char* none : {"none", "0"}) EXPECT_EQ(value<Rate>(disk, none), Rate{});
  expect_refused(disk, {"lots", ".", "0.0.0", "", "-1", "20M:", "20M:0", "0:5M"}, "a size a second");
  const Flag& operations = row("start", "disk-iops");
  EXPECT_EQ(value<Rate>(operations, "500:2000"), (Rate{500, 2000}));
  expect_refused(operations, {"1.5", "5M", ""}, "a number of operations");
}

TEST(Values, LimitsOfMemoryAndProcessesCanBeLifted) {
  EXPECT_EQ(value<int64_t>(row("set", "memory-max"), "2G"), 2048);
  EXPECT_EQ(value<int64_t>(row("set", "memory-max"), "0"), 0);
  EXPECT_EQ(value<int64_t>(row("set", "memory-max"), "none"), -1);
  expect_refused(row("set", "memory-max"), {"1K", "-5", ""}, "a size in MiB");
  EXPECT_EQ(value<int64_t>(row("set", "pids"), "100"), 100);
  EXPECT_EQ(value<int64_t>(row("set", "pids"), "none"), 0);
  expect_refused(row("set", "cpu-weight"), {"10001", "-1", "0.5"}, "none or a number up to 10000");
}

TEST(Values, ALabelIsKeyAndValue) {
  EXPECT_EQ(label_of("a=b=c"), (Assignment{"a", "b=c"}));
  EXPECT_EQ(label_of("a="), (Assignment{"a", ""}));
  const Flag& label = row("snapshot create", "label");
  EXPECT_EQ(value<Assignment>(label, "a=b"), (Assignment{"a", "b"}));
  expect_refused(label, {"", "a", "=b"}, "KEY=VALUE");
  expect_refused(label, {"a=\xff"}, "UTF-8");
  const Flag& rule = row("snapshot prune", "label");
  EXPECT_EQ(value<Assignment>(rule, "a"), (Assignment{"a", std::nullopt}));
  EXPECT_EQ(value<Assignment>(rule, "a=b"), (Assignment{"a", "b"}));
  expect_refused(rule, {""}, "empty");
  expect_refused(rule, {"=b"}, "KEY=VALUE");
}

TEST(Values, AVariableHasAValueOfItsOwnOrTheOneHere) {
  const Flag& env = row("exec", "env");
  EXPECT_EQ(value<Assignment>(env, "A_1=b=c"), (Assignment{"A_1", "b=c"}));
  EXPECT_EQ(value<Assignment>(env, "A="), (Assignment{"A", ""}));
  ::setenv("KNALLER_TEST_VARIABLE", "here", 1);
  EXPECT_EQ(value<Assignment>(env, "KNALLER_TEST_VARIABLE"), (Assignment{"KNALLER_TEST_VARIABLE", "here"}));
  ::unsetenv("KNALLER_TEST_VARIABLE");
  expect_refused(env, {"KNALLER_TEST_VARIABLE"}, "not set here");
  expect_refused(env, {"", "=x", "1A=x", "a-b=x", "a b=x"}, "NAME=VALUE");
}

SnapshotInfo snapshot() {
  SnapshotInfo info;
  info.vm_name = "web";
  info.name = "ci-17";
  info.labels = {{"stage", "ci"}, {"empty", ""}};
  return info;
}

TEST(Values, AFilterMatchesLabelsAndPatterns) {
  const Flag& filter = row("snapshot ls", "filter");
  for (const char* text :
       {"vm=web", "vm=w*", "name=ci-17", "name=ci-*", "label=stage", "label=stage=ci", "label=empty="})
    EXPECT_TRUE(value<SnapshotRule>(filter, text).matches(snapshot())) << text;
  for (const char* text :
       {"vm=we", "name=ci", "name=", "label=stag", "label=stage=c", "label=stage=", "label=empty=x"})
    EXPECT_FALSE(value<SnapshotRule>(filter, text).matches(snapshot())) << text;
  expect_refused(filter, {"", "web", "age=3"}, "there are: label=KEY");
  expect_refused(filter, {"label", "label="}, "empty");
}

TEST(Values, NothingThatIsRefusedIsShownRaw) {
  for (const char* name : {"mem", "cpus", "network", "engine", "disk-iops", "wait-timeout"})
    EXPECT_EQ(refused(row("start", name), "\x1b[31m").message().find('\x1b'), std::string::npos) << name;
}

TEST(CopyPath, TellsGuestPathsFromHostPaths) {
  EXPECT_EQ(parse_copy_path("web:/srv").vm, "web");
  EXPECT_EQ(parse_copy_path("web:/srv").path, "/srv");
  EXPECT_EQ(parse_copy_path("web:").path, ".");
  EXPECT_EQ(parse_copy_path("web:a:b").path, "a:b");
  for (const char* host : {"./a:b", "/x/a:b", "file", "dir/web:x"}) {
    EXPECT_EQ(parse_copy_path(host).vm, "");
    EXPECT_EQ(parse_copy_path(host).path, host);
  }
  EXPECT_THROW(parse_copy_path(":x"), Error);
  EXPECT_THROW(parse_copy_path(""), Error);
}

}  // namespace
}  // namespace knaller::cli
