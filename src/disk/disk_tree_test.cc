#include "disk/disk_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "base/text.h"
#include "disk/ext4.h"
#include "disk/tree_diff.h"

namespace knaller::disk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Ext4Writer::Read reader_of(const std::string& content) {
  return [content, at = size_t{0}](char* buffer, size_t size) mutable {
    const size_t count = content.copy(buffer, size, at);
    at += count;
    return count;
  };
}

std::string e2fs(const std::string& name, std::vector<std::string> arguments, std::string_view input = {}) {
  arguments.insert(arguments.begin(), require_program(name, "e2fsprogs"));
  return run_checked({.argv = std::move(arguments)}, Deadline::never(), input);
}

class Disks : public ::testing::Test {
 protected:
  static void write(Ext4Writer& writer, const std::string& path, const std::string& content,
                    const Attributes& attributes = {}) {
    writer.file(path, attributes, content.size(), reader_of(content));
  }

  std::string make(const std::string& name, const std::function<void(Ext4Writer&)>& fill,
                   bool journal = false) {
    const std::string path = folder_.path(name);
    make_ext4(path, {.bytes = 64 << 20, .inodes = 2000, .journal = journal}, Deadline::never());
    Ext4Writer writer(path);
    fill(writer);
    writer.close();
    return path;
  }

  static UniqueFd open(const std::string& path) { return open_at(AT_FDCWD, path, O_RDONLY); }

  static std::string content_of(const DiskTree& tree, const std::string& path) {
    const DiskTree::Node node = tree.find(path);
    std::string content(tree.info(node).size, '\0');
    for (const Stretch& stretch : tree.data_of(node))
      tree.read(node, stretch, 0, content.data() + stretch.begin, stretch.bytes);
    return content;
  }

  static std::vector<std::string> names(const DiskTree& tree, const std::string& path) {
    std::vector<std::string> found;
    for (const auto& [name, node] : tree.children(tree.find(path), path)) found.push_back(name);
    return found;
  }

  TestFolder folder_;
};

TEST_F(Disks, ReadsAPlainDisk) {
  std::string big(3'000'001, '\0');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>((i * 7919) >> 3);
  const auto path = make("rootfs.ext4", [&](Ext4Writer& writer) {
    write(writer, "etc/hosts", "127.0.0.1 me\n",
          {.permissions = 0640, .uid = 70'000, .gid = 5, .modified = 1'600'000'000});
    write(writer, "big", big);
    writer.symlink("bin", {}, "usr/bin");
    writer.symlink("long", {}, "/" + std::string(200, 'x'));
    writer.node("dev/big", {}, S_IFBLK, 259, 70'000);
    write(writer, "usr/bin/sh", "#!");
  });
  const DiskTree tree{open(path)};
  const FileInfo hosts = tree.info(tree.find("/etc/hosts"));
  EXPECT_EQ(hosts.mode, S_IFREG | 0640U);
  EXPECT_EQ(hosts.uid, 70'000U);
  EXPECT_EQ(hosts.gid, 5U);
  EXPECT_EQ(hosts.modified.tv_sec, 1'600'000'000);
  EXPECT_EQ(content_of(tree, "etc/../etc//./hosts"), "127.0.0.1 me\n");
  EXPECT_TRUE(content_of(tree, "/big") == big);
  EXPECT_EQ(content_of(tree, "/bin/sh"), "#!");
  EXPECT_TRUE(S_ISLNK(tree.info(tree.find("/bin")).mode));
  EXPECT_TRUE(S_ISDIR(tree.info(tree.find("/bin/")).mode));
  EXPECT_EQ(tree.link_target(tree.find("/long")).size(), 201U);
  EXPECT_EQ(tree.info(tree.find("/dev/big")).major, 259U);
  EXPECT_EQ(tree.info(tree.find("/dev/big")).minor, 70'000U);
  EXPECT_EQ(code_thrown_by([&] { tree.find("/etc/nothing"); }), Code::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { tree.find("/etc/hosts/x"); }), Code::kNotFound);
  EXPECT_EQ(code_thrown_by([&] { tree.find("/big/"); }), Code::kNotFound);
}

TEST_F(Disks, KnowsTheHolesOfAFile) {
  const auto path = make("rootfs.ext4", [&](Ext4Writer&) {});
  const std::string sparse = folder_.path("sparse");
  {
    const UniqueFd fd = open_at(AT_FDCWD, sparse, O_RDWR | O_CREAT);
    write_at(fd.get(), "end", 3, uint64_t{1} << 40);
  }
  e2fs("debugfs", {"-w", "-R", "write " + sparse + " sparse", path});
  const DiskTree tree{open(path)};
  const DiskTree::Node node = tree.find("/sparse");
  EXPECT_EQ(tree.info(node).size, (uint64_t{1} << 40) + 3);
  const auto data = tree.data_of(node);
  ASSERT_EQ(data.size(), 1U);
  EXPECT_EQ(data[0].begin, uint64_t{1} << 40);
  EXPECT_EQ(data[0].bytes, 3U);
}

TEST_F(Disks, ReadsEveryLayoutOfBlocks) {
  std::string content(2'000'000, 'a');
  for (size_t i = 0; i < content.size(); i += 977) content[i] = static_cast<char>(i);
  write_file_atomically(folder_.fd(), "content", content);
  for (const std::string type : {"ext2", "ext3"}) {
    const std::string path = folder_.path(type);
    { open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL); }
    e2fs("mke2fs", {"-q", "-F", "-t", type, "-b", "1024", path, "16M"});
    e2fs("debugfs", {"-w", "-R", "write " + folder_.path("content") + " it", path});
    const DiskTree tree{open(path)};
    EXPECT_TRUE(content_of(tree, "/it") == content) << type;
    EXPECT_THAT(names(tree, "/"), ElementsAre("it", "lost+found"));
  }
}

class Overlay : public Disks {
 protected:
  DiskTree merge(const std::function<void(Ext4Writer&)>& fill_base,
                 const std::function<void(Ext4Writer&)>& fill_disk) {
    const auto base = make("base.ext4", fill_base);
    const auto disk = make("disk.ext4", fill_disk);
    return {open(base), open(disk)};
  }
};

TEST_F(Overlay, MergesAsOverlayfsDoes) {
  const DiskTree tree = merge(
      [](Ext4Writer& base) {
        write(base, "etc/same", "base");
        write(base, "etc/changed", "base");
        write(base, "etc/gone", "base");
        write(base, "opaque/hidden", "base");
        write(base, "removed/x", "base");
        write(base, "was-folder/x", "base");
        write(base, "was-file", "base");
        write(base, "user-opaque/seen", "base");
      },
      [](Ext4Writer& disk) {
        write(disk, "upper/etc/changed", "disk");
        write(disk, "upper/etc/new", "disk");
        disk.node("upper/etc/gone", {}, S_IFCHR, 0, 0);
        disk.directory("upper/opaque", {.permissions = 0750, .xattrs = {{"trusted.overlay.opaque", "y"}}});
        write(disk, "upper/opaque/new", "disk");
        disk.node("upper/removed", {}, S_IFCHR, 0, 0);
        write(disk, "upper/was-folder", "disk");
        write(disk, "upper/was-file/x", "disk");
        // Of another kind of overlay: a guest's kernel makes nothing of it.
        disk.directory("upper/user-opaque", {.xattrs = {{"user.overlay.opaque", "y"}}});
      });
  EXPECT_THAT(names(tree, "/etc"), ElementsAre("changed", "new", "same"));
  EXPECT_EQ(content_of(tree, "/etc/same"), "base");
  EXPECT_EQ(content_of(tree, "/etc/changed"), "disk");
  EXPECT_THAT(names(tree, "/opaque"), ElementsAre("new"));
  EXPECT_EQ(tree.info(tree.find("/opaque")).mode, S_IFDIR | 0750U);
  EXPECT_EQ(code_thrown_by([&] { tree.find("/removed/x"); }), Code::kNotFound);
  EXPECT_EQ(content_of(tree, "/was-folder"), "disk");
  EXPECT_EQ(content_of(tree, "/was-file/x"), "disk");
  EXPECT_THAT(names(tree, "/user-opaque"), ElementsAre("seen"));
}

TEST_F(Overlay, ShowsThePrivateDiskWhereTheGuestHasIt) {
  const DiskTree tree = merge([](Ext4Writer& base) { write(base, "var/lib/knaller/covered", "base"); },
                              [](Ext4Writer& disk) {
                                disk.directory("upper/var/lib/knaller", {});
                                disk.directory("work", {});
                                write(disk, "docker/layer", "disk");
                              });
  EXPECT_THAT(names(tree, "/var/lib/knaller"), ElementsAre("docker", "lost+found"));
  EXPECT_EQ(content_of(tree, "/var/lib/knaller/docker/layer"), "disk");
}

TEST_F(Overlay, IsTheBaseAloneBeforeTheFirstBoot) {
  const DiskTree tree = merge([](Ext4Writer& base) { write(base, "etc/x", "base"); }, [](Ext4Writer&) {});
  EXPECT_EQ(content_of(tree, "/etc/x"), "base");
}

TEST_F(Overlay, RefusesRedirectsByNameAndReadsTheRest) {
  const DiskTree tree =
      merge([](Ext4Writer&) {},
            [](Ext4Writer& disk) {
              disk.directory("upper/moved", {.xattrs = {{"trusted.overlay.redirect", "/etc"}}});
              write(disk, "upper/other", "disk");
            });
  EXPECT_EQ(content_of(tree, "/other"), "disk");
  const auto differences = diff_trees(tree, tree, Deadline::never());
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_EQ(differences[0].path, "/moved");
  EXPECT_THAT(differences[0].what, ElementsAre("unreadable"));
  EXPECT_THAT(message_thrown_by([&] { tree.find("/moved"); }), HasSubstr("'/moved' has trusted.overlay.red"));
}

TEST_F(Disks, EndsWhereLinksGoRound) {
  const auto path = make("rootfs.ext4", [](Ext4Writer& writer) {
    writer.symlink("a", {}, "b");
    writer.symlink("b", {}, "a");
    writer.symlink("out", {}, "../../../../etc");
    write(writer, "etc/x", "inside");
  });
  const DiskTree tree{open(path)};
  EXPECT_EQ(code_thrown_by([&] { tree.find("/a/x"); }), Code::kCorrupt);
  EXPECT_EQ(content_of(tree, "/out/x"), "inside");
}

TEST_F(Overlay, DifferencesAreToldByWhatTheyAre) {
  const auto base = make("base.ext4", [](Ext4Writer& writer) {
    for (const char* name : {"same", "content", "mode", "owner", "size", "gone", "type", "touched"})
      write(writer, std::string("etc/") + name, "base");
    writer.symlink("etc/link", {}, "here");
    write(writer, "etc/folder/x", "base");
  });
  const auto before = make("before", [](Ext4Writer& disk) {
    write(disk, "upper/etc/touched", "base");
    write(disk, "docker/x", "before");
    disk.directory("upper/var/lib/knaller", {});
  });
  const auto after = make("after", [](Ext4Writer& disk) {
    write(disk, "upper/etc/content", "disk");
    write(disk, "upper/etc/mode", "base", {.permissions = 0600});
    write(disk, "upper/etc/owner", "base", {.uid = 7});
    write(disk, "upper/etc/size", "longer");
    disk.symlink("upper/etc/type", {}, "same");
    disk.symlink("upper/etc/link", {}, "there");
    disk.node("upper/etc/gone", {}, S_IFCHR, 0, 0);
    disk.node("upper/etc/folder", {}, S_IFCHR, 0, 0);
    write(disk, "upper/etc/touched", "base", {.modified = 1'700'000'000});
    write(disk, "upper/new/y", "disk");
    disk.directory("upper/var/lib/knaller", {});
    write(disk, "docker/x", "after!");
  });
  const DiskTree a(open(base), open(before));
  const DiskTree b(open(base), open(after));
  std::vector<std::string> lines;
  const auto diff = [&](const DiskTree& from, const DiskTree& to) {
    lines.clear();
    for (const Difference& found : diff_trees(from, to, Deadline::never()))
      lines.push_back(fmt::format("{}{} {}", "+~-"[static_cast<int>(found.kind)], found.path,
                                  fmt::join(found.what, ",")));
    return lines;
  };
  EXPECT_THAT(diff(a, b), ElementsAre("~/etc/content content", "-/etc/folder ", "-/etc/folder/x ",
                                      "-/etc/gone ", "~/etc/link target", "~/etc/mode mode",
                                      "~/etc/owner owner", "~/etc/size size,content", "~/etc/type type",
                                      "+/new ", "+/new/y ", "~/var/lib/knaller/docker/x content"));
  EXPECT_THAT(diff(a, a), ElementsAre());
  EXPECT_THAT(diff(b, a), ::testing::Contains("+/etc/folder/x "));
  // The same with a base of its own, of which nothing is known.
  const auto copy = folder_.path("copy");
  link_or_copy(AT_FDCWD, base, folder_.fd(), "linked", Deadline::never());
  const std::string bytes = read_file(base, 128 << 20);
  write_file_atomically(folder_.fd(), "copy", bytes);
  EXPECT_EQ(diff(a, DiskTree(open(copy), open(after))), diff(a, b));
}

TEST_F(Disks, TellsFilesThatShareTheirBlocks) {
  const auto path = make("shared", [](Ext4Writer& writer) {
    write(writer, "one", std::string(8 << 20, 'x'));
    for (int i = 0; i < 12; ++i) write(writer, fmt::format("two{}", i), "");
  });
  const std::string blocks = e2fs("debugfs", {"-R", "bmap one 0", path});
  // As often as the disk is long, and once more, the same 8 MiB.
  std::string requests;
  for (int i = 0; i < 12; ++i)
    requests += fmt::format("sif two{0} size {1}\nextent_open two{0}\ninsert_node 0 2048 {2}\nextent_close\n",
                            i, 8 << 20, trim(blocks));
  e2fs("debugfs", {"-w", "-f", "-", path}, requests);
  const DiskTree tree{open(path)};
  ASSERT_EQ(tree.info(tree.find("/two7")).size, 8U << 20);
  ASSERT_EQ(tree.data_of(tree.find("/two7")), tree.data_of(tree.find("/two8")));
  EXPECT_EQ(code_thrown_by([&] { diff_trees(tree, tree, Deadline::never()); }), Code::kCorrupt);
}

TEST_F(Disks, TellsFoldersThatShareTheirBlocks) {
  const std::string path = folder_.path("folders");
  { open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL); }
  // Without checksums, so that an inode can be written by hand.
  e2fs("mke2fs", {"-q", "-F", "-t", "ext4", "-O", "^metadata_csum", "-N", "2000", "-I", "256", path, "8M"});
  {
    Ext4Writer writer(path);
    write(writer, "many/0", "");
    for (int i = 1; i < 400; ++i) writer.hard_link(fmt::format("many/{:0>200}", i), "many/0");
    for (int i = 0; i < 400; ++i) writer.directory(fmt::format("d{}", i), {});
    writer.close();
  }
  const UniqueFd disk = open_at(AT_FDCWD, path, O_RDWR);
  const std::string found = e2fs("debugfs", {"-R", "imap many", path});
  const auto number_after = [&](const std::string& word, int base) {
    return std::stoull(found.substr(found.find(word) + word.size()), nullptr, base);
  };
  const uint64_t place = number_after("at block ", 10) * 1024 + number_after("offset ", 16);
  std::string many(256, '\0');
  read_at(disk.get(), many.data(), many.size(), place);
  // The folders follow on the file in `many`.
  for (uint64_t inode = place + 2 * many.size(); inode < place + 400 * many.size(); inode += many.size())
    write_at(disk.get(), many.data(), many.size(), inode);
  const DiskTree tree{open(path)};
  ASSERT_EQ(tree.children(tree.find("/d7"), "/d7").size(), 400U);
  const DiskTree other{open(make("other", [](Ext4Writer&) {}))};
  EXPECT_EQ(code_thrown_by([&] { diff_trees(tree, other, Deadline::never()); }), Code::kCorrupt);
}

// A hostile journal of terabytes costs nothing but its inode.
TEST_F(Disks, ReadsNoMoreOfAJournalThanThereIs) {
  const auto path = make(
      "journaled", [](Ext4Writer& writer) { write(writer, "file", std::string(4096, 'o')); }, true);
  const std::string number = std::string(trim(e2fs("debugfs", {"-R", "bmap file 0", path})));
  write_file_atomically(folder_.fd(), "new", std::string(4096, 'n'));
  e2fs("debugfs", {"-w", "-f", "-", path}, fmt::format("jo\njw -b {} {}\njc\n", number, folder_.path("new")));
  const std::string first = std::string(trim(e2fs("debugfs", {"-R", "bmap <8> 0", path})));
  // Behind the journal's own 1024 blocks the same ones again.
  e2fs("debugfs", {"-w", "-f", "-", path},
       fmt::format("extent_open <8>\nroot\nlast_leaf\ninsert_node --after 1024 1024 {}\nextent_close\n"
                   "sif <8> size {}\n",
                   first, 8 << 20));
  EXPECT_THAT(message_thrown_by([&] { DiskTree{open(path)}; }), HasSubstr("block twice"));
}

TEST_F(Disks, WhatIsAHoleOfTheDiskIsAHoleOfItsFiles) {
  const auto path =
      make("rootfs.ext4", [](Ext4Writer& writer) { write(writer, "file", std::string(192 << 10, 'x')); });
  const DiskTree::Node node = DiskTree{open(path)}.find("/file");
  uint64_t middle = 0;
  for (const Stretch& stretch : DiskTree{open(path)}.data_of(node))
    if (stretch.begin <= 64 << 10) middle = stretch.on_disk + ((64 << 10) - stretch.begin);
  const UniqueFd disk = open_at(AT_FDCWD, path, O_RDWR);
  write_at(disk.get(), std::string(4096, '\0').data(), 4096, middle);
  const std::string copy = folder_.path("copy");
  write_file_atomically(folder_.fd(), "copy", read_file(path, 128 << 20));
  punch_hole(disk.get(), {middle, middle + 4096});
  const DiskTree before{open(copy)};
  const std::string content = content_of(before, "/file");
  const DiskTree tree{open(path)};
  const auto data = tree.data_of(node);
  EXPECT_TRUE(std::any_of(data.begin(), data.end(),
                          [](const Stretch& stretch) { return stretch.begin == (64 << 10) + 4096; }));
  EXPECT_EQ(content[64 << 10], '\0');
  EXPECT_TRUE(content_of(tree, "/file") == content);
  EXPECT_THAT(diff_trees(before, tree, Deadline::never()), ElementsAre());
}

TEST_F(Disks, ReadsFilesThatLieInTheirInode) {
  const std::string path = folder_.path("inline");
  { open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL); }
  make_directories(folder_.path("source/folder"));
  const UniqueFd source = open_directory(folder_.path("source"));
  std::map<std::string, std::string> contents;
  for (const size_t size : {0U, 1U, 59U, 60U, 61U, 100U, 140U, 5000U}) {
    std::string& content = contents[fmt::format("{}", size)];
    for (size_t i = 0; i < size; ++i) content += static_cast<char>('a' + i % 26);
    write_file_atomically(source.get(), fmt::format("{}", size), content);
  }
  for (const char* name : {"folder/one", "folder/two", "folder/three"})
    write_file_atomically(AT_FDCWD, folder_.path("source/") + name, name);
  e2fs("mke2fs", {"-q", "-F", "-t", "ext4", "-O", "inline_data", "-I", "256", "-d", folder_.path("source"),
                  path, "16M"});
  for (const char* name : {"100", "folder", "folder/one"})
    ASSERT_THAT(e2fs("debugfs", {"-R", fmt::format("stat {}", name), path}), HasSubstr("0x10000000")) << name;
  const DiskTree tree{open(path)};
  for (const auto& [name, content] : contents) EXPECT_EQ(content_of(tree, "/" + name), content) << name;
  EXPECT_THAT(names(tree, "/folder"), ElementsAre("one", "three", "two"));
  EXPECT_EQ(content_of(tree, "/folder/three"), "folder/three");
  EXPECT_THAT(diff_trees(tree, tree, Deadline::never()), ElementsAre());
}

TEST_F(Disks, RefusesMoreGroupsThanThereCanBe) {
  const std::string path = folder_.path("groups");
  { open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL); }
  e2fs("mke2fs", {"-q", "-F", "-t", "ext4", "-O", "^metadata_csum,^resize_inode", path, "16M"});
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDWR);
  ASSERT_EQ(::ftruncate(fd.get(), off_t{8} << 40), 0);
  const uint32_t blocks[] = {UINT32_MAX};
  const uint32_t per_group[] = {8};
  write_at(fd.get(), reinterpret_cast<const char*>(blocks), 4, 1024 + 4);
  write_at(fd.get(), reinterpret_cast<const char*>(per_group), 4, 1024 + 32);
  EXPECT_THAT(message_thrown_by([&] { DiskTree{open(path)}; }), HasSubstr("more groups"));
}

TEST_F(Disks, TellsAFolderInTwoPlaces) {
  const auto path = make("round", [](Ext4Writer& writer) { writer.directory("a/b/c", {}); });
  e2fs("debugfs", {"-w", "-R", "ln a a/b/c/again", path});
  const DiskTree tree{open(path)};
  EXPECT_THAT(message_thrown_by([&] { diff_trees(tree, tree, Deadline::never()); }),
              HasSubstr("the folder '/a/b/c/again' is in two places"));
}

// What a guest had written when it was stopped dead: the journal has a file's new block, the disk not yet.
TEST_F(Disks, CountsWhatTheJournalHas) {
  for (const std::string checksums : {"", "-c"}) {
    const auto path = make(
        "journaled" + checksums, [](Ext4Writer& writer) { write(writer, "file", std::string(4096, 'o')); },
        true);
    const std::string number = std::string(trim(e2fs("debugfs", {"-R", "bmap file 0", path})));
    write_file_atomically(folder_.fd(), "new", "\xc0\x3b\x39\x98" + std::string(4092, 'n'));
    // A journal's own magic number at the start of a block has to be escaped.
    e2fs("debugfs", {"-w", "-f", "-", path},
         fmt::format("jo {}\njw -b {} {}\njc\n", checksums, number, folder_.path("new")));
    const auto before = read_file(path, 128 << 20);
    const DiskTree tree{open(path)};
    EXPECT_EQ(content_of(tree, "/file"), "\xc0\x3b\x39\x98" + std::string(4092, 'n')) << checksums;
    EXPECT_TRUE(read_file(path, 128 << 20) == before);
    // As e2fsck sees it.
    e2fs("e2fsck", {"-y", "-E", "journal_only", path});
    EXPECT_EQ(content_of(DiskTree{open(path)}, "/file"), "\xc0\x3b\x39\x98" + std::string(4092, 'n'));
  }
}

TEST_F(Disks, LeavesOutWhatTheJournalRevoked) {
  const auto path = make(
      "revoked", [](Ext4Writer& writer) { write(writer, "file", std::string(4096, 'o')); }, true);
  const std::string number = std::string(trim(e2fs("debugfs", {"-R", "bmap file 0", path})));
  write_file_atomically(folder_.fd(), "new", std::string(4096, 'n'));
  e2fs("debugfs", {"-w", "-f", "-", path},
       fmt::format("jo\njw -b {0} {1}\njw -r {0}\njc\n", number, folder_.path("new")));
  EXPECT_EQ(content_of(DiskTree{open(path)}, "/file"), std::string(4096, 'o'));
}

// Whatever a hostile guest leaves on its disk: an error or an answer, but an end.
TEST_F(Disks, SurvivesDamageAnywhere) {
  const auto path = make(
      "victim",
      [](Ext4Writer& writer) {
        for (int i = 0; i < 40; ++i) write(writer, fmt::format("d{}/f{}", i % 7, i), std::string(5000, 'x'));
        writer.symlink("link", {}, "d1");
      },
      true);
  const std::string whole = read_file(path, 128 << 20);
  const std::function<void(const DiskTree&, const DiskTree::Node&, int)> walk =
      [&](const DiskTree& tree, const DiskTree::Node& node, int depth) {
        const FileInfo info = tree.info(node);
        if (S_ISLNK(info.mode)) tree.link_target(node);
        if (S_ISREG(info.mode)) tree.data_of(node);
        if (!S_ISDIR(info.mode) || depth > 5) return;
        for (const auto& [name, child] : tree.children(node, "")) walk(tree, child, depth + 1);
      };
  uint64_t random = 42;
  const auto next = [&random] {
    random = random * 6364136223846793005U + 1442695040888963407U;
    return random >> 33;
  };
  int failed = 0;
  for (int round = 0; round < 300; ++round) {
    // In the first 2 MiB lie the superblock, the tables and most directories.
    std::string change(1 + next() % 8, static_cast<char>(next()));
    const uint64_t at = round % 3 == 0 ? 1024 + next() % 1024 : next() % (2 << 20);
    const UniqueFd fd = open_at(AT_FDCWD, path, O_RDWR);
    write_at(fd.get(), change.data(), change.size(), at);
    try {
      const DiskTree tree{open(path)};
      walk(tree, tree.root(), 0);
    } catch (const Error& error) {
      ++failed;
      EXPECT_TRUE(error.code() == Code::kCorrupt || error.code() == Code::kUnsupported) << error.what();
    }
    write_at(fd.get(), whole.data() + at, change.size(), at);
  }
  EXPECT_GT(failed, 0);
}

TEST_F(Disks, RefusesWhatIsNoFileSystem) {
  write_file_atomically(folder_.fd(), "zeros", std::string(1 << 20, '\0'));
  write_file_atomically(folder_.fd(), "short", "x");
  const auto path = make("cut", [](Ext4Writer&) {});
  ASSERT_EQ(::truncate(path.c_str(), 32 << 20), 0);
  for (const char* name : {"zeros", "short", "cut"})
    EXPECT_EQ(code_thrown_by([&] { DiskTree tree{open(folder_.path(name))}; }), Code::kCorrupt) << name;
}

}  // namespace
}  // namespace knaller::disk
