// The guest's own program, as far as it can be looked at from outside a guest.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "base/process.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "image/guest/base64.h"
#include "image/guest/boot_config.h"
#include "image/guest/renewal.h"
#include "image/guest/system.h"

namespace knaller::guest_helper {
namespace {

constexpr char kKey[] = "AAAAC3NzaC1lZDI1NTE5AAAAIF65/FErLnp2Ki2BEaZWovTA1mjQKAVcuLfZCMvXSxGu";

TEST(BootConfig, ReadsTheCommandLine) {
  BootConfig config;
  std::string error;
  ASSERT_TRUE(parse_boot_config(
      std::string("console=ttyS0 quiet knaller.root=overlay "
                  "knaller.net=10.255.254.2/30,10.255.254.1,10.255.255.53 knaller.hostname=web "
                  "knaller.key=") +
          kKey + " root=/dev/vda ro init=/sbin/other knaller.future=1\n",
      &config, &error))
      << error;
  EXPECT_TRUE(config.overlay);
  EXPECT_TRUE(config.read_only);
  EXPECT_TRUE(config.network.present);
  EXPECT_EQ(config.network.netmask.s_addr, htonl(0xfffffffc));
  EXPECT_EQ(config.network.dns, "10.255.255.53");
  EXPECT_EQ(config.hostname, "web");
  EXPECT_EQ(config.key, kKey);
  EXPECT_EQ(config.init, "/sbin/other");
}

TEST(BootConfig, RefusesHalfOfWhatWasAskedFor) {
  for (const char* line :
       {"knaller.root=other", "knaller.net=10.0.0.1", "knaller.net=10.0.0.1/33,10.0.0.2,10.0.0.3",
        "knaller.net=10.0.0.1/0,10.0.0.2,10.0.0.3", "knaller.net=10.0.0.1/30,10.0.0.2", "knaller.net=,/,",
        "knaller.net=a/24,b,c", "knaller.hostname=-x", "knaller.hostname=", "knaller.key=AAAA",
        "knaller.key=$(reboot)", "knaller.root"}) {
    BootConfig config;
    std::string error;
    EXPECT_FALSE(parse_boot_config(line, &config, &error)) << line;
    EXPECT_NE(error, "");
  }
}

TEST(Base64, IsStrict) {
  std::string bytes;
  EXPECT_TRUE(decode_base64("aGVsbG8=", &bytes));
  EXPECT_EQ(bytes, "hello");
  EXPECT_TRUE(decode_base64("", &bytes));
  for (const char* text : {"a", "aGVsbG8", "aGVsbG9=", "aGVs bG8=", "====", "a===", "aGVsbG8=\n", "-_-_"})
    EXPECT_FALSE(decode_base64(text, &bytes)) << text;
  std::mt19937 random(3);
  for (size_t size = 0; size < 100; ++size) {
    std::string content;
    for (size_t i = 0; i < size; ++i) content.push_back(static_cast<char>(random()));
    EXPECT_TRUE(decode_base64(knaller::base64(content), &bytes));
    EXPECT_EQ(bytes, content);
  }
}

TEST(Renewal, ReadsARequest) {
  RenewRequest request;
  std::string error;
  ASSERT_TRUE(parse_renew_request(R"( { "v":1, "entropy":")" + knaller::base64(std::string(64, 'e')) +
                                      R"(","time_ns":1795449697386730442,"hostname":"web2"} )",
                                  &request, &error))
      << error;
  EXPECT_EQ(request.entropy, std::string(64, 'e'));
  EXPECT_EQ(request.time_ns, 1795449697386730442);
  EXPECT_EQ(request.hostname, "web2");
  ASSERT_TRUE(parse_renew_request(R"({"v":1})", &request, &error));
  EXPECT_EQ(request.time_ns, -1);
}

TEST(Renewal, RefusesEverythingElse) {
  for (const char* line : {"",
                           "null",
                           "[]",
                           "{}",
                           R"({"v":2})",
                           R"({"v":1,"v":1})",
                           R"({"v":1,"x":1})",
                           R"({"v":1}x)",
                           R"({"v":1,})",
                           R"({"v":1)",
                           R"({"v":"1"})",
                           R"({"v":1,"time_ns":-1})",
                           R"({"v":1,"time_ns":99999999999999999999})",
                           R"({"v":1,"time_ns":01})",
                           R"({"v":1,"time_ns":1.5})",
                           R"({"v":1,"hostname":"a b"})",
                           R"({"v":1,"hostname":""})",
                           R"({"v":1,"hostname":"a\nb"})",
                           R"({"v":1,"entropy":"AAAA"})",
                           R"({"v":1,"entropy":"*"})",
                           R"({"v":1,"entropy":7})",
                           R"({"hostname":"x"})"}) {
    RenewRequest request;
    std::string error;
    EXPECT_FALSE(parse_renew_request(line, &request, &error)) << line;
    EXPECT_NE(error, "") << line;
  }
}

TEST(Renewal, SurvivesAnything) {
  const std::string good = R"({"v":1,"entropy":"AAAAAAAAAAAAAAAAAAAAAAAA","time_ns":17,"hostname":"web2"})";
  std::mt19937 random(5);
  RenewRequest request;
  std::string error;
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    for (size_t n = random() % 3 + 1; n > 0; --n) bad[random() % bad.size()] = static_cast<char>(random());
    parse_renew_request(bad.substr(0, random() % (bad.size() + 1)), &request, &error);
  }
}

TEST(Renewal, AnswersInOneLineOfJson) {
  EXPECT_EQ(render_renew_result({}), "{\"v\":1,\"ok\":true}\n");
  EXPECT_EQ(render_renew_result({"cannot \"x\"\n", {"time", "hostname"}}),
            "{\"v\":1,\"ok\":false,\"error\":\"cannot \\\"x\\\" \",\"failed\":[\"time\",\"hostname\"]}\n");
}

// Runs the real, static program; it is asked for nothing that would change this host.
knaller::ProgramOutput run_helper(std::vector<std::string> arguments, const std::string& input) {
  knaller::SpawnOptions options;
  options.argv = std::move(arguments);
  options.argv.insert(options.argv.begin(), KNALLER_GUEST_HELPER);
  return knaller::run_program(std::move(options), knaller::Deadline::after(std::chrono::minutes(1)), input);
}

TEST(Helper, AnswersOnStandardOutput) {
  EXPECT_EQ(run_helper({"renew"}, "{\"v\":1}\n").out, "{\"v\":1,\"ok\":true}\n");
  EXPECT_EQ(run_helper({"renew"}, "{\"v\":1}").out, "{\"v\":1,\"ok\":true}\n");
  for (const std::string& input : {std::string(), std::string("x\n"), std::string(100'000, '{')}) {
    const auto result = run_helper({"renew"}, input);
    EXPECT_THAT(result.out, ::testing::StartsWith("{\"v\":1,\"ok\":false,\"error\":\""));
    EXPECT_EQ(result.status.value, 1);
  }
  EXPECT_EQ(run_helper({}, "").status.value, 2);
  EXPECT_EQ(run_helper({"other"}, "").status.value, 2);
}

// It runs in the initramfs, where there is no library and no loader.
TEST(Helper, IsStatic) {
  const std::string program = knaller::read_file(KNALLER_GUEST_HELPER, 16 << 20);
  Elf64_Ehdr elf{};
  ASSERT_GT(program.size(), sizeof(elf));
  std::memcpy(&elf, program.data(), sizeof(elf));
  for (size_t i = 0; i < elf.e_phnum; ++i) {
    Elf64_Phdr header{};
    ASSERT_GE(program.size(), elf.e_phoff + (i + 1) * sizeof(header));
    std::memcpy(&header, program.data() + elf.e_phoff + i * sizeof(header), sizeof(header));
    EXPECT_NE(header.p_type, static_cast<Elf64_Word>(PT_INTERP));
  }
  EXPECT_LT(program.size(), 2U << 20);
}

TEST(System, ReplacesFilesWhole) {
  const knaller::TestFolder folder;
  ASSERT_TRUE(write_file(folder.path("f"), "one", 0644));
  ASSERT_TRUE(write_file(folder.path("f"), "two", 0600));
  std::string content;
  ASSERT_TRUE(read_file(folder.path("f"), &content));
  EXPECT_EQ(content, "two");
  EXPECT_FALSE(write_file(folder.path("absent/f"), "x", 0600));
  EXPECT_EQ(knaller::list_directory(folder.fd()), std::vector<std::string>{"f"});
}

}  // namespace
}  // namespace knaller::guest_helper
