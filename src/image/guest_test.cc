// The guest's own program, as far as it can be looked at from outside a guest.
#include <elf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "base/process.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "image/guest/base64.h"
#include "image/guest/boot_config.h"
#include "image/guest/files.h"
#include "image/guest/host_keys.h"
#include "image/guest/renewal.h"
#include "image/guest/settings.h"

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

TEST(HostKeys, AreReadFromTheServersOwnFiles) {
  const std::string half(32, 'p');
  const std::string key =
      std::string("\0\0\0\x0bssh-ed25519", 15) + std::string("\0\0\0\x40", 4) + std::string(32, 's') + half;
  const std::string line = public_line_of(key);
  std::string blob;
  ASSERT_TRUE(line.starts_with("ssh-ed25519 ") && line.ends_with("\n"));
  ASSERT_TRUE(decode_base64(line.substr(12, line.size() - 13), &blob));
  EXPECT_EQ(blob, std::string("\0\0\0\x0bssh-ed25519", 15) + std::string("\0\0\0\x20", 4) + half);
  EXPECT_EQ(line.find(std::string(8, 's')), std::string::npos) << "nothing of the private half";
  for (size_t size = 0; size < key.size(); ++size) EXPECT_EQ(public_line_of(key.substr(0, size)), "") << size;
  EXPECT_EQ(line_without_comment("ssh-rsa AAAA root@debian\n"), "ssh-rsa AAAA\n");
  EXPECT_EQ(line_without_comment("ssh-rsa AAAA"), "ssh-rsa AAAA\n");
  EXPECT_EQ(line_without_comment("nothing"), "");
}

TEST(Base64, IsStrict) {
  std::string bytes;
  EXPECT_TRUE(decode_base64("aGVsbG8=", &bytes));
  EXPECT_EQ(bytes, "hello");
  EXPECT_TRUE(decode_base64("", &bytes));
  for (const char* text : {"a", "aGVsbG8", "aGVsbG9=", "aGVs bG8=", "====", "a===", "aGVsbG8=\n", "-_-_"})
    EXPECT_FALSE(decode_base64(text, &bytes)) << text;
  for (const char* text : {"", "h", "he", "hel", "hell"}) {
    EXPECT_TRUE(decode_base64(encode_base64(text), &bytes));
    EXPECT_EQ(bytes, text);
  }
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

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

void write(const std::string& path, const std::string& content, mode_t mode) {
  knaller::write_file_atomically(AT_FDCWD, path, content, knaller::Durability::kNoSync);
  ASSERT_EQ(::chmod(path.c_str(), mode), 0);
}

// A guest's root, with an /etc.
class FilesInAGuest : public ::testing::Test {
 protected:
  FilesInAGuest() { knaller::make_directories(path("/etc")); }
  std::string root() const { return folder_.path("root"); }
  std::string path(const std::string& name) const { return root() + name; }
  std::string content(const std::string& name) {
    std::string text;
    EXPECT_TRUE(read_file_in(root(), name, &text)) << name << ": " << std::strerror(errno);
    return text;
  }
  std::vector<std::string> entries() const {
    return knaller::list_directory(knaller::open_directory(path("/etc")).get());
  }

  knaller::TestFolder folder_;
};

TEST_F(FilesInAGuest, KeepTheirModeAndOwner) {
  write(path("/etc/f"), "one", 0640);
  const bool root_runs_this = ::geteuid() == 0;
  if (root_runs_this) {
    ASSERT_EQ(::chown(path("/etc/f").c_str(), 12, 34), 0);
  }
  ASSERT_TRUE(replace_file(root(), "/etc/f", "two", 0600));
  EXPECT_EQ(content("/etc/f"), "two");
  EXPECT_EQ(status_of(path("/etc/f")).st_mode & 07777, 0640U);
  if (root_runs_this) {
    EXPECT_EQ(status_of(path("/etc/f")).st_uid, 12U);
    EXPECT_EQ(status_of(path("/etc/f")).st_gid, 34U);
  }
  EXPECT_EQ(entries(), std::vector<std::string>{"f"});
}

TEST_F(FilesInAGuest, AreNotTouchedWhenNothingChanges) {
  write(path("/etc/f"), "one", 0400);
  const struct stat before = status_of(path("/etc/f"));
  ASSERT_TRUE(replace_file(root(), "/etc/f", "one", 0644));
  EXPECT_EQ(status_of(path("/etc/f")).st_ino, before.st_ino);
  EXPECT_EQ(status_of(path("/etc/f")).st_ctim.tv_nsec, before.st_ctim.tv_nsec);
}

TEST_F(FilesInAGuest, AreMadeWhereThereAreNone) {
  ASSERT_TRUE(replace_file(root(), "/etc/f", "one", 0604));
  EXPECT_EQ(status_of(path("/etc/f")).st_mode & 07777, 0604U);
  EXPECT_FALSE(replace_file(root(), "/absent/f", "one", 0600));
  EXPECT_EQ(entries(), std::vector<std::string>{"f"});
}

// As the guest sees them, wherever that is on this system.
TEST_F(FilesInAGuest, LinksLeadToWhereTheyLeadInTheGuest) {
  knaller::make_directories(path("/data"));
  write(path("/data/f"), "one", 0644);
  ASSERT_EQ(::symlink("/data/f", path("/etc/absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../../../../../../../data/f", path("/etc/relative").c_str()), 0);
  ASSERT_TRUE(replace_file(root(), "/etc/absolute", "two", 0600));
  EXPECT_EQ(content("/data/f"), "two");
  ASSERT_TRUE(replace_file(root(), "/etc/relative", "three", 0600));
  EXPECT_EQ(content("/data/f"), "three");
  EXPECT_TRUE(S_ISLNK(status_of(path("/etc/absolute")).st_mode));
  EXPECT_TRUE(S_ISLNK(status_of(path("/etc/relative")).st_mode));
  ASSERT_EQ(::symlink("/run/nowhere", path("/etc/dangling").c_str()), 0);
  EXPECT_FALSE(replace_file(root(), "/etc/dangling", "x", 0600));
  EXPECT_TRUE(S_ISLNK(status_of(path("/etc/dangling")).st_mode));
}

TEST_F(FilesInAGuest, StayOneFileUnderAllTheirNames) {
  write(path("/etc/f"), "one", 0644);
  ASSERT_EQ(::link(path("/etc/f").c_str(), path("/etc/g").c_str()), 0);
  ASSERT_TRUE(replace_file(root(), "/etc/f", "1", 0600));
  EXPECT_EQ(content("/etc/g"), "1");
  EXPECT_EQ(status_of(path("/etc/f")).st_nlink, 2U);
}

TEST_F(FilesInAGuest, OfAnotherKindAreLeftAlone) {
  ASSERT_EQ(::mkfifo(path("/etc/fifo").c_str(), 0600), 0);
  EXPECT_FALSE(replace_file(root(), "/etc/fifo", "x", 0600));
  EXPECT_FALSE(append_line(root(), "/etc/fifo", "x", 0600));
  EXPECT_FALSE(replace_file(root(), "/etc", "x", 0600));
  EXPECT_TRUE(S_ISFIFO(status_of(path("/etc/fifo")).st_mode));
}

TEST_F(FilesInAGuest, GetALineOfTheirOwn) {
  ASSERT_TRUE(append_line(root(), "/etc/f", "one", 0600));
  write(path("/etc/g"), "one", 0604);
  ASSERT_TRUE(append_line(root(), "/etc/g", "two", 0600));
  EXPECT_EQ(content("/etc/f"), "one\n");
  EXPECT_EQ(content("/etc/g"), "one\ntwo\n");
  EXPECT_EQ(status_of(path("/etc/g")).st_mode & 07777, 0604U);
}

TEST_F(FilesInAGuest, OfAnyLengthKeepEveryLine) {
  std::string hosts;
  for (int i = 0; i < 6000; ++i)
    hosts += "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250) + " h\n";
  write(path("/etc/hosts"), hosts, 0640);
  std::string failed;
  ASSERT_TRUE(write_hostname(root(), "web", &failed)) << failed;
  EXPECT_EQ(content("/etc/hosts"), hosts + "127.0.1.1\tweb\n");
  EXPECT_EQ(content("/etc/hostname"), "web\n");
  EXPECT_EQ(status_of(path("/etc/hosts")).st_mode & 07777, 0640U);
}

TEST(Hosts, LoseNoLineOfTheirOwners) {
  EXPECT_EQ(hosts_with("127.0.0.1\tlocalhost\n", "web"), "127.0.0.1\tlocalhost\n127.0.1.1\tweb\n");
  EXPECT_EQ(hosts_with("127.0.0.1\tlocalhost", "web"), "127.0.0.1\tlocalhost\n127.0.1.1\tweb\n");
  EXPECT_EQ(hosts_with("127.0.1.1\tweb\n127.0.1.10 db.local\n", "web2"),
            "127.0.1.1\tweb2\n127.0.1.10 db.local\n");
  const std::string owners = "127.0.1.1 web web.example.org # mine\n127.0.1.10\tdb\n";
  EXPECT_EQ(hosts_with(owners, "web"), owners);
  EXPECT_EQ(hosts_with(owners, "web2"), owners + "127.0.1.1\tweb2\n");
  EXPECT_EQ(hosts_with("# web\n", "web"), "# web\n127.0.1.1\tweb\n");
}

TEST(ResolvConf, KeepsWhatItsOwnerWrote) {
  EXPECT_EQ(resolv_conf_with("", "10.0.0.1"), "nameserver 10.0.0.1\n");
  const std::string owners = "search example.org\nnameserver 10.0.0.1\noptions ndots:2\n";
  EXPECT_EQ(resolv_conf_with(owners, "10.0.0.1"), owners);
  EXPECT_EQ(resolv_conf_with("search a\nnameserver 9.9.9.9\n", "10.0.0.1"),
            "nameserver 10.0.0.1\nsearch a\nnameserver 9.9.9.9\n");
}

TEST(Keys, ThatAreCommentedOutLetNobodyIn) {
  const std::string key = kKey;
  EXPECT_TRUE(holds_key("x\n restrict ssh-ed25519 " + key + " a\n", key));
  EXPECT_FALSE(holds_key("#ssh-ed25519 " + key + "\n", key));
  EXPECT_FALSE(holds_key("", key));
}

}  // namespace
}  // namespace knaller::guest_helper
