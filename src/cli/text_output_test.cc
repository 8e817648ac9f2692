// Tables, formats, views, progress, console filter: everything that is text and touches nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/ssh_options.h"
#include "cli/terminal.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Table, AlignsColumnsByCharactersAndLeavesOutEmptyOnes) {
  Table table({"NAME", "NOTHING", "STATUS"});
  table.add({"wéb", "", "running"});
  table.add({"database", "", "stopped"});
  EXPECT_EQ(table.render(),
            "NAME       STATUS\n"
            "wéb        running\n"
            "database   stopped\n");
}

TEST(Table, IsSafeForTerminals) {
  Table table({"A"});
  table.add({"x\x1b[2Jy\nz"});
  const std::string text = table.render();
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

const Fields kRow{{{"Name", "web"}, {"Kernel", "2222"}}, [] { return std::string("{\"name\":\"web\"}"); }};

TEST(Format, ReplacesFields) {
  EXPECT_EQ(Format("{{.Name}}\\t{{ .Kernel }}!", kRow).render({kRow, kRow}), "web\t2222!\nweb\t2222!\n");
  EXPECT_EQ(Format("{{json .}}", kRow).render({kRow}), "{\"name\":\"web\"}\n");
  EXPECT_EQ(Format("json", kRow).render({kRow}), "{\"name\":\"web\"}\n");
  EXPECT_EQ(Format("{{json .Name}}", kRow).render({kRow}), "\"web\"\n");
  EXPECT_EQ(Format("plain \\\\n", kRow).render({kRow}), "plain \\n\n");
}

TEST(Format, IsSafeForTerminals) {
  const Fields row{{{"VM", "a\x1b]0;x\x07\u202e\n"}}, [] {
                     return json_text(Json{{"vm", "\x1b\u009b\u202e\x7f\u00fc"}});
                   }};
  EXPECT_EQ(Format("{{.VM}}", row).render({row}, true), "a\\x1b]0;x\\x07\\xe2\\x80\\xae\\x0a\n");
  EXPECT_EQ(Format("{{.VM}}", row).render({row}), "a\x1b]0;x\x07\u202e\n\n");
  EXPECT_EQ(Format("{{json .}}", row).render({row}), "{\"vm\":\"\\u001b\\u009b\\u202e\\u007f\u00fc\"}\n");
  EXPECT_EQ(parse_json(row.json(), "it").at("vm"), "\x1b\u009b\u202e\x7f\u00fc");
  EXPECT_EQ(Format("{{json .VM}}", row).render({row}), "\"a\\u001b]0;x\\u0007\\u202e\\n\"\n");
}

TEST(Format, MakesTables) {
  EXPECT_EQ(Format("table {{.Name}}\\t{{.Kernel}}", kRow).render({kRow}),
            "NAME   KERNEL\n"
            "web    2222\n");
}

TEST(Format, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"{{.Nmae}}", "{{Name}}", "{{.Name", "{{range .}}", "{{}}", "{{json}}"}) {
    try {
      const Format format(text, kRow);
      ADD_FAILURE() << text << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kInvalidArgument);
    }
  }
}

TEST(Events, AreALineThatIsSafeForTerminals) {
  VmEvent event{.at = SystemTime(std::chrono::milliseconds(1'500)),
                .vm = "web",
                .kind = VmEventKind::kCrashed,
                .text = "crashed: \x1b[2J\nroot:"};
  EXPECT_EQ(event_text(event), "1970-01-01T00:00:01.500Z  web  crashed  \\x1b[2J\\x0aroot:");
  event.kind = VmEventKind::kStarted;
  event.text = "started";
  EXPECT_EQ(event_text(event), "1970-01-01T00:00:01.500Z  web  started");
}

TEST(Stats, OfAVmThatDoesNotRunAreItsName) {
  const VmStats ended{.name = "web"};
  const Fields fields = fields_of(ended);
  for (const auto& [name, text] : fields.text)
    EXPECT_EQ(text, name == "Name" ? "web" : name == "Remarks" ? "does not run" : "") << name;
  const Json json = Json::parse(fields.json());
  for (const char* member :
       {"engine", "helpers", "network", "disk", "last_snapshot", "uptime_us", "memory_mib"})
    EXPECT_TRUE(json.contains(member) && json.at(member).is_null()) << member;
}

TEST(Stats, SayWhatCouldNotBeLearnt) {
  VmStats stats{.name = "web", .running = true, .missing = {"disk: \x1b[2J", "network"}};
  stats.engine = {
      .processes = 1, .cpu = std::chrono::seconds(3), .cpu_percent = 99.96, .private_bytes = 2048};
  EXPECT_EQ(*fields_of(stats).find("CPU"), "100.0%");
  EXPECT_EQ(*fields_of(stats).find("Remarks"), "disk: \x1b[2J; network");
  EXPECT_EQ(to_json(stats).at("engine").at("cpu_us"), 3'000'000);
  EXPECT_THAT(stats_table({stats}), HasSubstr("disk: \\x1b[2J; network"));
}

TEST(Stats, ShowRatesInTheTableAndTotalsToPrograms) {
  VmStats stats{.name = "web", .running = true, .interval = std::chrono::milliseconds(200)};
  stats.network = {.received_bytes = 7 << 20,
                   .sent_bytes = 2048,
                   .received_bytes_per_second = 1.25 * (1 << 20),
                   .sent_bytes_per_second = 0.4};
  stats.disk = {.read_bytes = 3 << 20,
                .written_bytes = 5 << 20,
                .reads = 9,
                .read_bytes_per_second = 2048.6,
                .reads_per_second = 4.6};
  const std::string table = stats_table({stats});
  EXPECT_THAT(table, HasSubstr("1.2 MiB/s"));
  EXPECT_THAT(table, HasSubstr("0 B/s"));
  EXPECT_THAT(table, HasSubstr("2.0 KiB/s"));
  EXPECT_THAT(table, Not(HasSubstr("7.0 MiB")));
  EXPECT_THAT(table, Not(HasSubstr("DISK WRITTEN"))) << "of which no rate is known";
  EXPECT_EQ(*fields_of(stats).find("NetIn"), "7.0 MiB");
  EXPECT_EQ(*fields_of(stats).find("NetInRate"), "1.2 MiB/s");
  EXPECT_EQ(*fields_of(stats).find("DiskWritten"), "5.0 MiB");
  EXPECT_EQ(*fields_of(stats).find("DiskWrittenRate"), "");
  const Json json = to_json(stats);
  EXPECT_EQ(json.at("network").at("received_bytes"), 7 << 20);
  EXPECT_EQ(json.at("network").at("received_bytes_per_second"), 1310720);
  EXPECT_EQ(json.at("disk").at("read_bytes_per_second"), 2049);
  EXPECT_EQ(json.at("disk").at("reads_per_second"), 5);
  for (const char* member : {"written_bytes_per_second", "writes_per_second"})
    EXPECT_TRUE(json.at("disk").at(member).is_null()) << member;
}

TEST(Progress, ShowsShareAndRate) {
  EXPECT_EQ(progress_text(10 << 20, 40 << 20, std::chrono::seconds(2)),
            "[####............]  10.0 MiB of 40.0 MiB  5.0 MiB/s");
  EXPECT_EQ(progress_text(10 << 20, 0, std::chrono::seconds(0)), "10.0 MiB");
  EXPECT_THAT(progress_text(50, 40, std::chrono::seconds(0)), StartsWith("[################]"));
}

TEST(ConsoleFilter, KeepsTextAndColours) {
  ConsoleFilter filter;
  EXPECT_EQ(filter.filter("\x1b[1;32mok\x1b[0m\r\n\tx"), "\x1b[1;32mok\x1b[0m\r\n\tx");
  EXPECT_EQ(filter.filter("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
}

TEST(ConsoleFilter, DropsWhatDrivesATerminal) {
  ConsoleFilter filter;
  EXPECT_EQ(filter.filter("a\x1b[2Jb\x1b[6nc"), "abc");
  EXPECT_EQ(filter.filter("a\x1b]52;c;ZXZpbA==\x07z"), "az");
  EXPECT_EQ(filter.filter("a\x1bP+q\x1b\\z"), "az");
  EXPECT_EQ(filter.filter("a\x1b"), "a");
  EXPECT_EQ(filter.filter("[31"), "");
  EXPECT_EQ(filter.filter("mz"), "\x1b[31mz");
  EXPECT_EQ(filter.filter("\x1b[" + std::string(100, '1') + "mz"), "z");
  EXPECT_EQ(filter.filter(std::string("\a\0\x7f", 3)), "");
}

TEST(ConsoleFilter, EndsAStringWhereATerminalWould) {
  ConsoleFilter filter;
  EXPECT_EQ(filter.filter("a\x1b]0;x\x1b\nb\n"), "a\nb\n");
  EXPECT_EQ(filter.filter("a\x1b]0;x\x1b\x07"
                          "b\n"),
            "ab\n");
  EXPECT_EQ(filter.filter("a\x1b]0;x\x1b\x1b\\b\n"), "ab\n");
}

TEST(ConsoleFilter, LetsOnlyUtf8Through) {
  ConsoleFilter filter;
  // C1, as UTF-8 and as bytes; invalid, overlong and cut-off sequences; what turns the order of letters
  // round.
  EXPECT_EQ(filter.filter("a\xc2\x9b"
                          "2J\xc2\x9d"
                          "0;x\xc2\x9cz"),
            "a2J0;xz");
  EXPECT_EQ(filter.filter("a\x9b"
                          "b\xff"
                          "c\xc0\x9b"
                          "d"),
            "a\uFFFD"
            "b\uFFFD"
            "c\uFFFD\uFFFD"
            "d");
  EXPECT_EQ(filter.filter("a\xe2\x82"
                          "b\xed\xa0\x80"
                          "c"),
            "a\uFFFD"
            "b\uFFFD"
            "c");
  EXPECT_EQ(filter.filter("a\u202e"
                          "b\u2066"
                          "c\u200f\u061c"
                          "d"),
            "abcd");
  // In pieces.
  EXPECT_EQ(filter.filter("\xf0\x9f"), "");
  EXPECT_EQ(filter.filter("\x98\x80"), "\U0001F600");
  EXPECT_EQ(filter.filter("\xc2"), "");
  EXPECT_EQ(filter.filter("\x9b"), "");
  EXPECT_EQ(filter.filter("\xc2"), "");
  EXPECT_EQ(filter.filter("\x1b[1mx"), "\uFFFD\x1b[1mx");
}

TEST(ConsoleFilter, KnowsColoursByTheirNumbers) {
  ConsoleFilter filter;
  EXPECT_EQ(filter.filter("\x1b[38:2:1:2:3;1mx"), "\x1b[38:2:1:2:3;1mx");
  for (const char* text : {"\x1b[>4mx", "\x1b[?4mx", "\x1b[1 mx"}) EXPECT_EQ(filter.filter(text), "x");
  EXPECT_EQ(filter.filter("\x1b[3\a1mx"), "1mx");
  EXPECT_EQ(filter.filter("\x1b[3\xc2\x9b"
                          "1mx"),
            "1mx");
  EXPECT_EQ(filter.filter("\x1b\nx"), "\nx");
  // A string that nobody ends hides a line at most.
  EXPECT_EQ(filter.filter("a\x1b]0;title\nb"), "a\nb");
}

TEST(Ssh, QuotesPaths) {
  EXPECT_EQ(ssh_quoted("/home/a b/100%/x\"y\\z"), "\"/home/a b/100%%/x\\\"y\\\\z\"");
}

TEST(Ssh, AKeyThatIsKnownIsRequired) {
  const SshTarget target{.host = "127.0.0.1",
                         .port = 2222,
                         .user = "root",
                         .key_file = "/home/a b/key",
                         .known_hosts_file = "/home/a b/known",
                         .host_alias = "knaller"};
  const std::string pinned = ssh_stanza("web", {.target = target});
  EXPECT_THAT(pinned, StartsWith("Host web\n  HostName 127.0.0.1\n  Port 2222\n  User root\n"));
  EXPECT_THAT(pinned, HasSubstr("  IdentityFile \"/home/a b/key\"\n"));
  EXPECT_THAT(pinned, HasSubstr("  StrictHostKeyChecking yes\n"));
  EXPECT_THAT(ssh_stanza("web", {.target = target, .pinned = false}),
              HasSubstr("  StrictHostKeyChecking accept-new\n"));
}

TEST(ErrorText, HasMessageContextAndHint) {
  Error error(Code::kNotFound, "no VM named 'wbe'\x1b", "did you mean 'web'?");
  error.in("stop");
  const std::string plain = render_error(error, {});
  EXPECT_THAT(plain, StartsWith("error: stop: no VM named 'wbe'"));
  EXPECT_THAT(plain, HasSubstr("\nhint: did you mean 'web'?\n"));
  EXPECT_EQ(plain.find('\x1b'), std::string::npos);
  const Json json = parse_json(render_error_json(error), "error");
  EXPECT_EQ(json["error"]["code"], "not_found");
  EXPECT_EQ(json["error"]["hint"], "did you mean 'web'?");
  EXPECT_TRUE(json["error"].contains("context"));
  EXPECT_TRUE(json["error"].contains("message"));
}

}  // namespace
}  // namespace knaller::cli
