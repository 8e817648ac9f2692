// What an agent may send for a copy that a guest has taken over: nothing outside the target is touched, and
// nothing is left in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "channel/copy_message.h"
#include "entry/copy.h"
#include "entry/test_lying_agent.h"

namespace knaller::entry {
namespace {

using channel::Channel;
using channel::CopyEntry;
using channel::Kind;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Names = std::vector<std::string>;
using Entry = CopyEntry::Kind;

std::string entry(Entry kind, const std::string& path, const std::string& target = "") {
  CopyEntry what;
  what.kind = kind;
  what.path = path;
  what.mode = 0755;
  what.target = target;
  return bytes_of({.kind = Kind::kEntry, .stream = 1, .payload = channel::encode(what)});
}
std::string content(uint64_t offset, const std::string& bytes) {
  return bytes_of({.kind = Kind::kData,
                   .channel = Channel::kOutput,
                   .stream = 1,
                   .payload = channel::encode_position(offset) + bytes});
}
std::string end_of_file(uint64_t size) {
  return bytes_of({.kind = Kind::kEnd,
                   .channel = Channel::kOutput,
                   .stream = 1,
                   .payload = channel::encode_position(size)});
}
std::string file(const std::string& path, const std::string& text) {
  return entry(Entry::kFile, path) + content(0, text) + end_of_file(text.size());
}
const std::string kBegin = hello() + event({.started = 7});
const std::string kDone = end({.exit_code = 0});

class HostileCopy : public testing::Test {
 protected:
  HostileCopy() {
    make_directories(folder_.path("target"));
    write_file_atomically(AT_FDCWD, folder_.path("mine"), "mine", Durability::kNoSync);
  }
  // How a copy of `source` into the target ends: its error.
  std::string outcome(const std::string& source, const std::string& says, CopyOptions options = {},
                      bool hangs_up = true) const {
    LyingAgent agent(says, hangs_up);
    options.guest_path = source;
    options.host_path = folder_.path("target");
    return message_thrown_by([&] {
      copy_from_guest(agent.link(), options, {},
                      Deadline::after(std::chrono::milliseconds(hangs_up ? 20'000 : 50)));
    });
  }
  Names in_target() const { return list_directory(open_directory(folder_.path("target")).get()); }
  void expect_nothing_happened() const {
    EXPECT_THAT(in_target(), IsEmpty());
    EXPECT_EQ(read_file(folder_.path("mine")), "mine");
    EXPECT_THAT(list_directory(folder_.fd()), ElementsAre("mine", "target"));
  }

  TestFolder folder_;
};

TEST_F(HostileCopy, MayEndOrBreakOffAtAnyTime) {
  const std::string whole = kBegin + entry(Entry::kFolder, "") + entry(Entry::kFolder, "sub") +
                            file("sub/f", "text") + entry(Entry::kHardLink, "g", "sub/f") + kDone;
  for (size_t size = 0; size < whole.size(); size += 3) {
    EXPECT_NE(outcome("/d", whole.substr(0, size)), "") << size;
    expect_nothing_happened();
  }
  EXPECT_EQ(outcome("/d", whole), "");
  EXPECT_EQ(read_file(folder_.path("target/d/g")), "text");
}

TEST_F(HostileCopy, IsNotWaitedForWhenItSaysNothing) {
  EXPECT_THAT(outcome("/d", "", {}, false), HasSubstr("did not begin the copy in time"));
  EXPECT_THAT(outcome("/d", hello(), {}, false), HasSubstr("did not begin the copy in time"));
}

TEST_F(HostileCopy, NamesNothingOutside) {
  for (const char* path : {"../mine", "/etc/passwd", "sub/../../mine", "a//b", ".", "..", "sub/."}) {
    EXPECT_NE(outcome("/d", kBegin + entry(Entry::kFolder, "") + entry(Entry::kFolder, "sub") +
                                file(path, "evil") + kDone),
              "")
        << path;
    expect_nothing_happened();
  }
  EXPECT_NE(outcome("/f", kBegin + file("", "x") + file("beside", "evil") + kDone), "");
  EXPECT_THAT(in_target(), ElementsAre("f")) << "which is what was asked for, and whole";
}

TEST_F(HostileCopy, ReachesNothingThroughItsOwnLinks) {
  const std::string begin = kBegin + entry(Entry::kFolder, "");
  const CopyOptions with_links{.links = true};
  EXPECT_NE(
      outcome("/d", begin + entry(Entry::kLink, "way", folder_.path()) + file("way/mine", "evil") + kDone,
              with_links),
      "");
  expect_nothing_happened();
  EXPECT_NE(
      outcome("/d",
              begin + entry(Entry::kLink, "way", "../../mine") + entry(Entry::kHardLink, "g", "way") + kDone,
              with_links),
      "");
  expect_nothing_happened();
  // A link that is replaced by a file is not written through.
  EXPECT_EQ(outcome("/d", begin + entry(Entry::kLink, "way", "../../mine") + file("way", "evil") + kDone,
                    with_links),
            "");
  EXPECT_EQ(read_file(folder_.path("mine")), "mine");
  EXPECT_EQ(read_file(folder_.path("target/d/way")), "evil");
}

TEST_F(HostileCopy, IsHeldToTheOrder) {
  const std::string root = entry(Entry::kFolder, "");
  for (const std::string& says :
       {kDone, content(0, "x"), end_of_file(3), file("f", "x") + kDone, root + root + kDone,
        root + content(0, "x"), root + end_of_file(0), root + entry(Entry::kFile, "f") + kDone,
        root + entry(Entry::kFile, "f") + entry(Entry::kFile, "g"), root + file("no/folder", "x"),
        root + entry(Entry::kHardLink, "f", "absent"), entry(Entry::kLeftOut, ""),
        entry(Entry::kHardLink, "", "f"), entry(Entry::kLink, "", "/etc/passwd") + kDone,
        bytes_of({.kind = Kind::kEntry, .stream = 1, .payload = "nonsense"}),
        bytes_of({.kind = Kind::kData, .channel = Channel::kOutput, .stream = 1, .payload = "short"})}) {
    EXPECT_NE(outcome("/d", kBegin + says), "");
    expect_nothing_happened();
  }
}

TEST_F(HostileCopy, ClaimsNoSizeThatIsNot) {
  const std::string begin = kBegin + entry(Entry::kFile, "");
  for (const std::string& says : {content(INT64_MAX, "x"), content(UINT64_MAX, "x"), end_of_file(UINT64_MAX),
                                  end_of_file(INT64_MAX), content(uint64_t{1} << 62, "x")}) {
    EXPECT_NE(outcome("/f", begin + says + kDone), "");
    expect_nothing_happened();
  }
}

TEST_F(HostileCopy, DoesNotWriteToTheTerminal) {
  const std::string error = outcome("/d", hello() + end({.error = 2, .reason = "open '\033[31m\x9b'"}));
  EXPECT_EQ(error.find('\033'), std::string::npos);
  EXPECT_EQ(printable(error), error);
  EXPECT_THAT(outcome("/d", hello() + end({.exit_code = 3})), HasSubstr("without a word"));
  EXPECT_THAT(outcome("/d", hello() + end({.error = 38, .reason = "do it"})),
              HasSubstr("the agent in this guest can't do that"));
}

TEST_F(HostileCopy, SetsNoAttributeThatCountsOnThisHost) {
  CopyEntry evil;
  evil.mode = 06777;
  evil.xattrs = {{.name = "security.capability", .value = std::string(20, '\1')}};
  const std::string says = kBegin +
                           bytes_of({.kind = Kind::kEntry, .stream = 1, .payload = channel::encode(evil)}) +
                           content(0, "x") + end_of_file(1) + kDone;
  EXPECT_EQ(outcome("/f", says, {.archive = true, .xattrs = true}), "");
  struct stat status {};
  ASSERT_EQ(::stat(folder_.path("target/f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07000, 0u);
}

}  // namespace
}  // namespace knaller::entry
