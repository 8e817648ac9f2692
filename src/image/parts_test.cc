// The small pure parts: the initramfs, sources, kernel arguments, image.json.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "base/process.h"
#include "base/test_folder.h"
#include "image/apt.h"
#include "image/debian_sources.h"
#include "image/guest_files.h"
#include "image/initramfs.h"
#include "image/kernel_args.h"
#include "image/record.h"
#include "image/sub_ids.h"

namespace knaller::image {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// The least that has a .modinfo: header, two sections' contents, three section headers.
std::string make_module(const std::string& modinfo) {
  const std::string names(std::string("\0.modinfo\0.shstrtab\0", 20));
  Elf64_Ehdr elf{};
  std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
  elf.e_ident[EI_CLASS] = ELFCLASS64;
  elf.e_shentsize = sizeof(Elf64_Shdr);
  elf.e_shnum = 3;
  elf.e_shstrndx = 2;
  elf.e_shoff = sizeof(elf) + modinfo.size() + names.size();
  Elf64_Shdr sections[3] = {};
  sections[1].sh_name = 1;
  sections[1].sh_type = SHT_PROGBITS;
  sections[1].sh_offset = sizeof(elf);
  sections[1].sh_size = modinfo.size();
  sections[2].sh_name = 10;
  sections[2].sh_type = SHT_STRTAB;
  sections[2].sh_offset = sizeof(elf) + modinfo.size();
  sections[2].sh_size = names.size();
  return std::string(reinterpret_cast<const char*>(&elf), sizeof(elf)) + modinfo + names +
         std::string(reinterpret_cast<const char*>(sections), sizeof(sections));
}

TEST(Modules, TellWhatTheyNeed) {
  const std::string module =
      make_module(std::string("license=GPL\0depends=virtio,virtio-ring\0name=x\0", 46));
  EXPECT_THAT(dependencies_of_module(module, "m"), ElementsAre("virtio", "virtio_ring"));
  EXPECT_THAT(dependencies_of_module(make_module(std::string("depends=\0", 9)), "m"), ElementsAre());
  for (size_t size = 0; size < module.size(); ++size)
    EXPECT_EQ(code_thrown_by([&] { dependencies_of_module(module.substr(0, size), "m"); }), Code::kCorrupt)
        << size;
  for (size_t i = 0; i < module.size(); ++i) {
    std::string bad = module;
    bad[i] = '\xff';
    code_thrown_by([&] { dependencies_of_module(bad, "m"); });  // an Error or an answer, nothing else
  }
}

TEST(Modules, AreLoadedBehindWhatTheyNeed) {
  const std::map<std::string, std::vector<std::string>> needs = {{"net", {"failover", "virtio", "ring"}},
                                                                 {"failover", {}},
                                                                 {"blk", {"virtio"}},
                                                                 {"virtio", {"ring"}},
                                                                 {"ring", {}}};
  const auto depends_on = [&](const std::string& name) { return needs.at(name); };
  EXPECT_THAT(order_of_modules({"blk", "net"}, depends_on),
              ElementsAre("ring", "virtio", "blk", "failover", "net"));
  EXPECT_EQ(code_thrown_by([&] {
              order_of_modules({"a"}, [](const std::string&) { return std::vector<std::string>{"a"}; });
            }),
            Code::kCorrupt);
}

TEST(Cpio, IsReadByCpio) {
  if (find_program("cpio").empty()) GTEST_SKIP() << "cpio is not installed";
  const TestFolder folder;
  CpioWriter writer;
  writer.directory("dev");
  writer.character_device("dev/console", 0600, 5, 1);
  writer.file("init", 0755, "hello");
  writer.file("odd-length-name", 0644, "x");
  SpawnOptions options;
  options.argv = {"cpio", "-itv", "--quiet"};
  options.search_path = true;
  const std::string out = run_checked(options, Deadline::never(), writer.finish());
  EXPECT_THAT(out, HasSubstr("crw-------   1 root     root       5,   1"));
  EXPECT_THAT(out, HasSubstr("-rwxr-xr-x   1 root     root            5"));
  EXPECT_THAT(out, HasSubstr("odd-length-name"));
}

TEST(Sources, AreTheHostsOwnMirrors) {
  const DebianMirrors lines =
      find_mirrors({{false,
                     "# deb http://commented/debian bookworm main\n"
                     "deb https://packages.example.com/apt stable-tools main\n"
                     "deb cdrom:[Debian 12]/ bookworm main\n"
                     "deb [arch=amd64 signed-by=/x.gpg] http://mirror.example/debian trixie contrib main\n"
                     "deb http://second.example/debian bookworm main\n"
                     "deb http://sec.example/debian-security trixie-security main # ours\n"}});
  EXPECT_EQ(lines.archive, "http://mirror.example/debian");
  EXPECT_EQ(lines.security, "http://sec.example/debian-security");

  const DebianMirrors stanzas =
      find_mirrors({{true,
                     "Types: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n"
                     "Enabled: no\n\n# note\nTypes: deb deb-src\nURIs:\n http://m.example/debian\n"
                     "Suites: bookworm bookworm-updates\nComponents: main\n"}});
  EXPECT_EQ(stanzas.archive, "http://m.example/debian");
  EXPECT_EQ(stanzas.security, DebianMirrors().security);
}

TEST(Sources, PassOverWhatIsNoDebian) {
  const std::string hostile =
      "deb http://x\"; bookworm main\ndeb\ndeb [ http://y bookworm main\ndeb ftp://z bookworm main\n";
  const DebianMirrors mirrors =
      find_mirrors({{false, "deb http://archive.ubuntu.com/ubuntu noble main\n" + hostile},
                    {true, hostile},
                    {true, ":\n:"}});
  EXPECT_EQ(mirrors.archive, DebianMirrors().archive);
  EXPECT_THAT(render_sources(mirrors, "/k.gpg"),
              HasSubstr("deb [signed-by=/k.gpg] http://deb.debian.org/debian bookworm main\n"));
}

TEST(SubIds, AreFoundByNameOrNumber) {
  const std::string text =
      "# x\nroot:0:1\nann:100000:65536\nann:300000:100\n1001:200000:70000\nbad:1:x\nbad:2\n";
  EXPECT_EQ(most_sub_ids(text, "ann", "1000"), 65536U);
  EXPECT_EQ(most_sub_ids(text, "bob", "1001"), 70000U);
  for (const char* user : {"an", "bad", "", "#"}) EXPECT_EQ(most_sub_ids(text, user, "7"), 0U) << user;
}

TEST(Apt, PackageNames) {
  for (const char* name : {"jq", "libstdc++6", "python3.11", "g++"})
    EXPECT_TRUE(is_package_name(name)) << name;
  for (const char* name : {"", "x", "-x", "--opt", "a,b", "a b", "A", "a/b", "a=1", ".a", "a\n"})
    EXPECT_FALSE(is_package_name(name)) << name;
}

TEST(Apt, StatusLines) {
  EXPECT_DOUBLE_EQ(percent_of_status_line("dlstatus:3:45.2000:Retrieving file 3 of 10"), 45.2);
  for (const char* line : {"", "dlstatus", "dlstatus:1", "dlstatus:1:x:", "pmstatus:a:5:b",
                           "dlstatus:1:nan:", "dlstatus:1:101:"})
    EXPECT_LT(percent_of_status_line(line), 0) << line;
}

TEST(KernelArguments, CarryWhatTheGuestMustKnow) {
  const KernelArgs args{.overlay = true,
                        .network = GuestNetwork{"10.255.254.2", 30, "10.255.254.1", "10.255.255.53"},
                        .hostname = "web",
                        .public_key = "ssh-ed25519 AAAAC3Nz knaller\n",
                        .extra = "debug"};
  const std::string line = kernel_arguments(args);
  EXPECT_THAT(
      line,
      HasSubstr(
          " knaller.root=overlay knaller.net=10.255.254.2/30,10.255.254.1,10.255.255.53 knaller.hostname=web "
          "knaller.key=AAAAC3Nz debug"));
  EXPECT_THAT(line, Not(HasSubstr("mitigations")));
  EXPECT_THAT(kernel_arguments({}), EndsWith("knaller.root=plain"));
}

TEST(KernelArguments, RefuseWhatCouldNotArrive) {
  EXPECT_EQ(code_thrown_by([] { kernel_arguments({.extra = "a\nb"}); }), Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([] { kernel_arguments({.extra = std::string(1792, 'x')}); }),
            Code::kInvalidArgument);
  EXPECT_EQ(code_thrown_by([] { kernel_arguments({.public_key = "ssh-rsa AAAA x"}); }),
            Code::kInvalidArgument);
}

TEST(Record, ComesBackAsItWas) {
  Record record{.name = "tiny",
                .kind = "tiny",
                .kernel_version = "6.1.0",
                .disk_mib = 8192,
                .packages = {{"libc6", "2.36"}}};
  const Record read = parse_record(to_text(record), "image.json");
  EXPECT_EQ(read.name, "tiny");
  EXPECT_EQ(read.disk_mib, 8192U);
  EXPECT_EQ(read.packages, record.packages);
  EXPECT_EQ(read.created_at, record.created_at);
  EXPECT_TRUE(read.overlay);
}

TEST(Record, IsNotBelievedWhenWrong) {
  const std::string good = to_text({.name = "a", .kind = "tiny"});
  EXPECT_EQ(code_thrown_by([&] { parse_record("{}", "r"); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { parse_record(good.substr(0, good.size() / 2), "r"); }), Code::kCorrupt);
  std::string layout = good;
  layout.replace(layout.find("overlay"), 7, "strange");
  EXPECT_EQ(code_thrown_by([&] { parse_record(layout, "r"); }), Code::kCorrupt);
  std::string newer = good;
  newer.replace(newer.find("\"format\": 1"), 11, "\"format\": 2");
  EXPECT_EQ(code_thrown_by([&] { parse_record(newer, "r"); }), Code::kUnsupported);
}

TEST(GuestFiles, AreWhereTheyBelong) {
  std::map<std::string, std::string> tiny;
  for (const GuestFile& file : guest_files())
    if (file.kind == "tiny") tiny.emplace(file.path, file.content);
  ASSERT_TRUE(tiny.contains("etc/init.d/rcS"));
  EXPECT_TRUE(tiny["etc/init.d/rcS"].starts_with("#!/bin/sh"));
  // Nobody gets in with a password.
  EXPECT_THAT(tiny["etc/shadow"], HasSubstr("root:*:"));
  EXPECT_THAT(tiny["etc/passwd"], HasSubstr("root:x:"));
}

}  // namespace
}  // namespace knaller::image
