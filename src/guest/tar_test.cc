// Archives as a hostile guest would write them, unpacked into a folder beside one that must not change.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "guest/tar.h"

namespace knaller::guest {
namespace {

void put_octal(char* field, size_t size, uint64_t value) {
  const std::string text = fmt::format("{:0{}o}", value, size - 1);
  std::copy_n(text.data(), std::min(size, text.size()), field);
}

// One 512-byte header in ustar's form.
std::string header(const std::string& name, char type, uint64_t size = 0, const std::string& link = {},
                   unsigned mode = 0644, uint64_t time = 1'600'000'000) {
  std::string block(512, '\0');
  std::memcpy(block.data(), name.data(), std::min<size_t>(name.size(), 100));
  put_octal(&block[100], 8, mode);
  put_octal(&block[108], 8, 0);
  put_octal(&block[116], 8, 0);
  put_octal(&block[124], 12, size);
  put_octal(&block[136], 12, time);
  block[156] = type;
  std::memcpy(&block[157], link.data(), std::min<size_t>(link.size(), 100));
  std::memcpy(&block[257], "ustar\00000", 8);
  std::memset(&block[148], ' ', 8);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put_octal(&block[148], 7, sum);
  return block;
}

std::string padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512);
  return data;
}

std::string file(const std::string& name, const std::string& content, unsigned mode = 0644) {
  return header(name, '0', content.size(), "", mode) + padded(content);
}
std::string folder(const std::string& name, unsigned mode = 0755) {
  return header(name, '5', 0, "", mode);
}
std::string symlink(const std::string& name, const std::string& target) {
  return header(name, '2', 0, target);
}
std::string hard_link(const std::string& name, const std::string& target) {
  return header(name, '1', 0, target);
}
std::string long_name(const std::string& name) {
  return header("././@LongLink", 'L', name.size() + 1) + padded(name + '\0');
}
std::string pax(const std::string& key, const std::string& value) {
  size_t length = key.size() + value.size() + 3;
  length += std::to_string(length + std::to_string(length).size()).size();
  const std::string record = fmt::format("{} {}={}\n", length, key, value);
  return header("PaxHeaders/x", 'x', record.size()) + padded(record);
}
const std::string kEnd(1024, '\0');

class TarTest : public testing::Test {
 protected:
  TarTest() {
    make_directories(around_.path("target"));
    make_directories(around_.path("outside"));
    write_file_atomically(around_.fd(), "outside/canary", "alive", Durability::kNoSync);
  }
  // Whatever happened, nothing beside the target has changed.
  void TearDown() override {
    EXPECT_EQ(list_directory(around_.fd()), (std::vector<std::string>{"outside", "target"}));
    EXPECT_EQ(list_directory(open_directory(around_.path("outside")).get()),
              std::vector<std::string>{"canary"});
    EXPECT_EQ(read_file(around_.fd(), "outside/canary"), "alive");
    struct stat status {};
    ASSERT_EQ(::stat(around_.path("outside/canary").c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, 1u);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
  }

  CopySummary unpack(const std::string& archive, const UnpackOptions& options = {}) {
    size_t position = 0;
    const TarSource source = [&](char* buffer, size_t size) {
      const size_t count = std::min(size, archive.size() - position);
      std::copy_n(archive.data() + position, count, buffer);
      position += count;
      return count;
    };
    ConfinedTree tree(open_directory(target()));
    CopySummary summary;
    unpack_tar(source, tree, options, summary, {});
    return summary;
  }
  std::optional<Code> refusal(const std::string& archive, const UnpackOptions& options = {}) {
    return code_thrown_by([&] { unpack(archive + kEnd, options); });
  }
  std::string target() const { return around_.path("target"); }
  std::string target(const std::string& name) const { return target() + "/" + name; }
  std::string outside() const { return around_.path("outside"); }
  std::vector<std::string> unpacked() const { return list_directory(open_directory(target()).get()); }
  struct stat look(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(::lstat(target(name).c_str(), &status), 0) << name;
    return status;
  }

  TestFolder around_;
};

TEST_F(TarTest, UnpacksFilesFoldersAndLinks) {
  const auto summary =
      unpack(folder("./d/", 0500) + file("./d/f", "text", 0640) + symlink("d/l", "/etc/passwd") +
             hard_link("d/h", "./d/f") + file("empty", "") + kEnd);
  EXPECT_EQ(summary.files, 5u);
  EXPECT_EQ(summary.bytes, 4u);
  EXPECT_EQ(read_file(target("d/f")), "text");
  EXPECT_EQ(look("d").st_mode & 07777, 0500u);
  EXPECT_EQ(look("d").st_mtime, 1'600'000'000);
  EXPECT_EQ(look("d/f").st_mode & 07777, 0640u);
  EXPECT_EQ(look("d/f").st_mtime, 1'600'000'000);
  EXPECT_EQ(look("d/f").st_ino, look("d/h").st_ino);
  EXPECT_TRUE(S_ISLNK(look("d/l").st_mode));
  EXPECT_EQ(look("d/l").st_mtime, 1'600'000'000);
  EXPECT_EQ(unpacked(), (std::vector<std::string>{"d", "empty"}));
}

TEST_F(TarTest, RefusesNamesThatLeadOut) {
  for (const std::string& name :
       {outside() + "/x", std::string("/x"), std::string("../outside/x"), std::string("a/../../outside/x"),
        std::string(".."), std::string("./.."), std::string("a/.."), std::string("../outside/canary")}) {
    EXPECT_EQ(refusal(file(name, "evil")), Code::kCorrupt) << name;
    EXPECT_EQ(refusal(folder(name)), Code::kCorrupt) << name;
    EXPECT_EQ(refusal(symlink(name, "x")), Code::kCorrupt) << name;
    EXPECT_EQ(refusal(long_name(name) + file("x", "evil")), Code::kCorrupt) << name;
    EXPECT_EQ(refusal(pax("path", name) + file("x", "evil")), Code::kCorrupt) << name;
    EXPECT_EQ(refusal(file("here", "x") + hard_link(name, "here")), Code::kCorrupt) << name;
  }
  EXPECT_EQ(refusal(file(".", "evil")), Code::kCorrupt);
  EXPECT_EQ(refusal(long_name(std::string(5000, 'x')) + file("x", "evil")), Code::kCorrupt);
}

TEST_F(TarTest, FollowsNoLinkThatTheArchiveMade) {
  for (const std::string& to : {outside(), std::string("../outside"), std::string("/")}) {
    ::unlink(target("l").c_str());
    EXPECT_EQ(refusal(symlink("l", to) + file("l/canary", "evil")), Code::kCorrupt);
    EXPECT_EQ(refusal(symlink("l", to) + folder("l/new")), Code::kCorrupt);
    EXPECT_EQ(refusal(symlink("l", to) + symlink("l/new", "x")), Code::kCorrupt);
    EXPECT_EQ(refusal(symlink("l", to) + file("f", "x") + hard_link("l/new", "f")), Code::kCorrupt);
    EXPECT_EQ(refusal(symlink("l", to) + folder("l") + file("l/canary", "evil")), Code::kAlreadyExists);
  }
  // By two steps, each of which stays inside.
  EXPECT_EQ(refusal(folder("a") + symlink("a/up", "..") + symlink("b", "a/up/..") +
                    file("b/outside/canary", "evil")),
            Code::kCorrupt);
}

TEST_F(TarTest, ReplacesALinkInsteadOfWritingThroughIt) {
  unpack(symlink("a", outside() + "/canary") + file("a", "new") + kEnd);
  EXPECT_EQ(read_file(target("a")), "new");
  // The user's own link, too.
  ASSERT_EQ(::symlink((outside() + "/canary").c_str(), target("mine").c_str()), 0);
  unpack(file("mine", "new") + kEnd);
  EXPECT_TRUE(S_ISREG(look("mine").st_mode));
  ASSERT_EQ(::symlink(outside().c_str(), target("way").c_str()), 0);
  EXPECT_EQ(refusal(file("way/canary", "evil")), Code::kCorrupt);
}

TEST_F(TarTest, LinksHardOnlyToWhatItMade) {
  write_file_atomically(AT_FDCWD, target("mine"), "mine", Durability::kNoSync);
  for (const std::string& to : {outside() + "/canary", std::string("../outside/canary"), std::string("mine"),
                                std::string("absent"), std::string("."), std::string("d")}) {
    EXPECT_EQ(refusal(folder("d") + hard_link("h", to)), Code::kCorrupt) << to;
  }
  EXPECT_EQ(refusal(symlink("l", "../outside/canary") + hard_link("h", "l")), Code::kCorrupt);
  EXPECT_EQ(refusal(symlink("way", "../outside") + hard_link("h", "way/canary")), Code::kCorrupt);
  // To itself, and over another of its names: no trace of the work is left.
  unpack(file("f", "x") + hard_link("f", "f") + hard_link("g", "f") + hard_link("g", "f") + kEnd);
  EXPECT_EQ(look("f").st_nlink, 2u);
  EXPECT_EQ(unpacked(), (std::vector<std::string>{"d", "f", "g", "l", "mine", "way"}));
}

// Device numbers need root; a device is looked at in the tests of copying.
TEST_F(TarTest, ReplacesNothingButFiles) {
  make_directories(target("folder"));
  ASSERT_EQ(::mkfifo(target("pipe").c_str(), 0600), 0);
  const std::vector<std::pair<std::string, std::string>> links{
      {"way", outside()}, {"to_pipe", "pipe"}, {"to_null", "/dev/null"}, {"twice", "to_null"}};
  for (const auto& [name, to] : links) ASSERT_EQ(::symlink(to.c_str(), target(name).c_str()), 0);
  for (const char* name : {"folder", "pipe", "way", "to_pipe", "to_null", "twice"}) {
    const auto before = look(name);
    EXPECT_EQ(refusal(file(name, "x")), Code::kAlreadyExists) << name;
    EXPECT_EQ(refusal(symlink(name, "elsewhere")), Code::kAlreadyExists) << name;
    EXPECT_EQ(refusal(file("made", "x") + hard_link(name, "made")), Code::kAlreadyExists) << name;
    EXPECT_EQ(look(name).st_ino, before.st_ino) << name;
    EXPECT_EQ(look(name).st_mode, before.st_mode) << name;
  }
  EXPECT_EQ(refusal(folder("way")), Code::kAlreadyExists);
  // What is there already as it is to be, and links that lead nowhere, are no loss.
  ASSERT_EQ(::symlink("absent", target("nowhere").c_str()), 0);
  unpack(symlink("way", outside()) + folder("folder", 0711) + file("nowhere", "x") + kEnd);
  EXPECT_EQ(look("folder").st_mode & 07777, 0700u);
  EXPECT_EQ(read_file(target("nowhere")), "x");
}

TEST_F(TarTest, TakesTheKindThatWasAskedFor) {
  const std::vector<std::pair<EntryKind, std::string>> entries{
      {EntryKind::kFile, file("src", "x")},
      {EntryKind::kFolder, folder("src")},
      {EntryKind::kLink, symlink("./src", "/etc/passwd")}};
  for (const auto& [asked, ignored] : entries)
    for (const auto& [sent, entry] : entries) {
      remove_tree(AT_FDCWD, target("dst"));
      EXPECT_EQ(refusal(entry, {.expected = "src", .name = "dst", .kind = asked}),
                asked == sent ? std::nullopt : std::optional(Code::kCorrupt));
      EXPECT_EQ(exists(target("dst")), asked == sent);
    }
  unpack(folder("src") + symlink("src/l", "f") + kEnd,
         {.expected = "src", .name = "tree", .kind = EntryKind::kFolder});
  EXPECT_TRUE(S_ISLNK(look("tree/l").st_mode)) << "what lies deeper is the guest's own choice";
}

TEST_F(TarTest, MindsTheUmask) {
  const mode_t before = ::umask(027);
  unpack(file("f", "x", 0777) + folder("d", 0777) + kEnd);
  ::umask(before);
  EXPECT_EQ(look("f").st_mode & 07777, 0750u);
  EXPECT_EQ(look("d").st_mode & 07777, 0750u);
}

TEST_F(TarTest, MakesNoDevicesAndNoPrivileges) {
  const mode_t before = ::umask(0);
  const auto summary = unpack(header("c", '3') + header("b", '4') + header("p", '6') + file("f", "x", 06755) +
                              folder("d", 01777) + folder("g", 02775) + kEnd);
  ::umask(before);
  EXPECT_EQ(summary.skipped, (std::vector<std::string>{"c", "b", "p"}));
  EXPECT_EQ(unpacked(), (std::vector<std::string>{"d", "f", "g"}));
  EXPECT_EQ(look("f").st_mode & 07777, 0755u);
  EXPECT_EQ(look("d").st_mode & 07777, 0777u);
  EXPECT_EQ(look("g").st_mode & 07777, 0775u);
}

TEST_F(TarTest, RefusesSparseFiles) {
  // GNU's old form: 10 TB of hole and one byte.
  std::string block = header("bomb", 'S', 512);
  std::memcpy(&block[257], "ustar  ", 8);
  put_octal(&block[386], 12, 10'000'000'000);
  put_octal(&block[398], 12, 512);
  put_octal(&block[483], 12, 10'000'000'512);
  std::memset(&block[148], ' ', 8);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put_octal(&block[148], 7, sum);
  EXPECT_EQ(refusal(block + std::string(512, 'x')), Code::kCorrupt);
  // The form of pax.
  const std::string map = "1\n10000000000\n512\n";
  std::string records;
  const auto record = [&](const std::string& key, const std::string& value) {
    const std::string rest = " " + key + "=" + value + "\n";
    records += std::to_string(rest.size() + 2) + rest;
  };
  record("GNU.sparse.major", "1");
  record("GNU.sparse.minor", "0");
  record("GNU.sparse.name", "bomb");
  record("GNU.sparse.realsize", "10000000512");
  EXPECT_EQ(refusal(header("PaxHeaders/x", 'x', records.size()) + padded(records) +
                    file("x", padded(map) + std::string(512, 'x'))),
            Code::kCorrupt);
  EXPECT_TRUE(unpacked().empty());
}

TEST_F(TarTest, TakesTheLastOfEntriesWithOneName) {
  unpack(file("f", "first") + file("f", "second") + folder("d") + folder("d", 0700) + kEnd);
  EXPECT_EQ(read_file(target("f")), "second");
  EXPECT_EQ(look("d").st_mode & 07777, 0700u);
  EXPECT_EQ(refusal(folder("x") + file("x", "y")), Code::kAlreadyExists);
  EXPECT_EQ(refusal(file("y", "y") + folder("y")), Code::kAlreadyExists);
  EXPECT_EQ(refusal(file("z", "y") + file("z/in", "y")), Code::kCorrupt);
  EXPECT_EQ(refusal(file("never/made", "y")), Code::kCorrupt);
  EXPECT_EQ(unpacked(), (std::vector<std::string>{"d", "f", "x", "y", "z"}));
}

TEST_F(TarTest, KeepsToTheNameThatWasAskedFor) {
  const UnpackOptions options{.expected = "src", .name = "dst", .kind = EntryKind::kFolder};
  unpack(folder("./src") + file("./src/f", "x") + hard_link("src/h", "./src/f") + kEnd, options);
  EXPECT_EQ(unpacked(), std::vector<std::string>{"dst"});
  EXPECT_EQ(look("dst/h").st_nlink, 2u);
  for (const char* name : {"other", "srcx", "dst", ".", "./"}) {
    EXPECT_EQ(refusal(file(name, "evil"), options), Code::kCorrupt) << name;
    EXPECT_EQ(refusal(folder(name), options), Code::kCorrupt) << name;
  }
  EXPECT_EQ(refusal(file("src/a", "x") + hard_link("src/b", "dst/f"), options), Code::kCorrupt);
}

TEST_F(TarTest, KeepsNamesThatAreNoText) {
  const std::string odd = "a\xff\xfe \n'\"$\\";
  const std::string utf8 = "gr\xc3\xbc\xc3\x9f";
  unpack(file(odd, "1") + pax("path", utf8) + file("x", "2") + long_name(std::string(200, 'n')) +
         file("x", "3") + kEnd);
  EXPECT_EQ(read_file(target(odd)), "1");
  EXPECT_EQ(read_file(target(utf8)), "2");
  unpack(pax("path", utf8) + file("x", "4") + pax("linkpath", utf8) + hard_link("h", "x") +
         pax("linkpath", utf8) + symlink("s", "x") + kEnd);
  EXPECT_EQ(look("h").st_ino, look(utf8).st_ino);
  EXPECT_EQ(read_file(target("s")), "4");
  EXPECT_EQ(read_file(target(std::string(200, 'n'))), "3");
}

TEST_F(TarTest, RefusesWhatIsNoArchive) {
  EXPECT_EQ(code_thrown_by([&] { unpack(""); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { unpack(std::string(4096, 'x')); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { unpack("\x1f\x8b\x08" + std::string(4096, 'x')); }), Code::kCorrupt);
  EXPECT_EQ(refusal(header("f", '0', uint64_t{1} << 32)), Code::kCorrupt);
  EXPECT_TRUE(unpacked().empty());
}

TEST_F(TarTest, SurvivesEveryCutAndAnyDamage) {
  const std::string whole = folder("d") + pax("path", "d/pax") + file("x", "1") +
                            long_name("d/" + std::string(120, 'n')) + file("x", std::string(700, 'y')) +
                            symlink("d/l", "f") + file("d/f", "z") + hard_link("d/h", "d/f") + kEnd;
  const auto attempt = [&](const std::string& archive) {
    try {
      unpack(archive);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::kInternal) << error.what();
    }
  };
  for (size_t length = 0; length < whole.size(); length += 61) attempt(whole.substr(0, length));
  std::mt19937 random(4711);
  for (int round = 0; round < 400; ++round) {
    std::string damaged = whole;
    for (int flips = 0; flips < 3; ++flips) {
      const size_t place = random() % damaged.size();
      damaged[place] = static_cast<char>(random());
      // Keep the header's sum right, or nothing behind the sum would ever be looked at.
      const size_t start = place / 512 * 512;
      std::memset(&damaged[start + 148], ' ', 8);
      unsigned sum = 0;
      for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(damaged[start + i]);
      put_octal(&damaged[start + 148], 7, sum);
    }
    attempt(damaged);
  }
  for (const auto& name : unpacked()) EXPECT_FALSE(name.starts_with(".knaller-")) << name;
}

}  // namespace
}  // namespace knaller::guest
