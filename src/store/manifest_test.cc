#include "store/manifest.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/test_folder.h"
#include "store/sha256.h"

namespace knaller::store {
namespace {

class ManifestTest : public testing::Test {
 protected:
  int directory() const { return folder_.fd(); }
  void write_at(const std::string& name, uint64_t offset, std::string_view data) {
    const UniqueFd fd = open_at(directory(), name, O_RDWR | O_CREAT);
    ASSERT_EQ(::pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(data.size()));
  }
  void resize(const std::string& name, uint64_t size) {
    const UniqueFd fd = open_at(directory(), name, O_RDWR | O_CREAT);
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  }
  void punch(const std::string& name, uint64_t offset, uint64_t size) {
    const UniqueFd fd = open_at(directory(), name, O_RDWR);
    ASSERT_EQ(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                          static_cast<off_t>(size)),
              0);
  }
  // A sparse file with a few bytes in every second chunk.
  void make_large(const std::string& name, uint64_t chunks) {
    resize(name, chunks * kChunkBytes);
    for (uint64_t chunk = 0; chunk < chunks; chunk += 2)
      write_at(name, chunk * kChunkBytes + 8192 * (chunk % 5), "data " + std::to_string(chunk));
  }
  std::vector<Damage> damages(const Manifest& manifest) const {
    return verify_files(directory(), manifest, never_);
  }
  std::optional<Code> verify(const ManifestFile& file) const {
    return code_thrown_by([&] { verify_file(directory(), file, never_); });
  }

  TestFolder folder_;
  const Deadline never_ = Deadline::never();
};

TEST_F(ManifestTest, ComesBackAndLeavesOutHoles) {
  resize("memory", 5 * kChunkBytes);
  write_at("memory", 3 * kChunkBytes + 17, "data");
  write_at("state", 0, "state");
  const Manifest manifest = make_manifest(directory(), {"memory", "state"}, never_);
  ASSERT_EQ(manifest.files.size(), 2u);
  ASSERT_EQ(manifest.files[0].chunks.size(), 1u);
  EXPECT_EQ(manifest.files[0].chunks[0].offset, 3 * kChunkBytes);
  const Manifest back = parse_manifest(to_text(manifest));
  EXPECT_EQ(to_text(back), to_text(manifest));
  EXPECT_TRUE(damages(back).empty());
}

TEST_F(ManifestTest, WhatIsKnownOfAFileOfThatSizeIsTakenOver) {
  write_at("state", 0, "state");
  const std::vector<KnownFile> known = {{digest_file(directory(), "state", never_)}};
  write_at("state", 0, "other");
  write_at("memory", 0, "memory");
  const Manifest taken_over = make_manifest(directory(), {"state", "memory"}, never_, {.known = known});
  EXPECT_EQ(taken_over.files[0].chunks, known[0].file.chunks);
  EXPECT_EQ(taken_over.files[1].chunks, digest_file(directory(), "memory", never_).chunks);
  write_at("state", 5, "longer");
  EXPECT_EQ(make_manifest(directory(), {"state"}, never_, {.known = known}).files[0].chunks,
            digest_file(directory(), "state", never_).chunks);
}

// Chunks: 0 zero then and now, 1 as before, 2 other, 3 new, 4 zero now, 5 rotten, where nothing was changed.
TEST_F(ManifestTest, OfAKnownFileOnlyWhatMayHaveChangedIsRead) {
  resize("memory", 5 * kChunkBytes + 4096);
  for (const uint64_t chunk : {1U, 2U, 4U, 5U}) write_at("memory", chunk * kChunkBytes, "before");
  KnownFile known = {digest_file(directory(), "memory", never_)};
  write_at("memory", 3 * kChunkBytes - 6, "afterafter");
  write_at("memory", 4 * kChunkBytes, std::string(6, '\0'));
  Manifest now = make_manifest(directory(), {"memory"}, never_);
  write_at("memory", 5 * kChunkBytes, "rotten");
  known.changed = {{3 * kChunkBytes - 4096, 3 * kChunkBytes + 4096},
                   {4 * kChunkBytes, 4 * kChunkBytes + 4096}};
  EXPECT_EQ(to_text(make_manifest(directory(), {"memory"}, never_, {.known = {known}})), to_text(now));
  EXPECT_EQ(verify(now.files[0]), Code::kCorrupt);
}

// Chunks: 0 and 2 in the file, 1 and 3 held, the latter of zeros, 4 a hole.
TEST_F(ManifestTest, ChunksThatAreHeldAreWrittenWhileTheirDigestsAreMade) {
  write_at("state", 0, "state");
  resize("memory", 4 * kChunkBytes + 4096);
  write_at("memory", 0, "in the file");
  write_at("memory", 2 * kChunkBytes, "there, too");
  std::string held(kChunkBytes, '\0');
  held.replace(0, 4, "held");
  const std::string zeros(kChunkBytes, '\0');
  const ManifestOptions options = {.held_of = "memory",
                                   .held = {{3 * kChunkBytes, zeros}, {kChunkBytes, held}},
                                   .write_held = [&] { write_at("memory", kChunkBytes, held); }};
  const Manifest manifest = make_manifest(directory(), {"state", "memory"}, never_, options);
  EXPECT_EQ(manifest.files[1].chunks.size(), 3U);
  EXPECT_EQ(to_text(manifest), to_text(make_manifest(directory(), {"state", "memory"}, never_)));
}

TEST_F(ManifestTest, WhatWasHeldAndCanNotBeWrittenIsAnError) {
  make_large("memory", 21);
  const auto full = [] { fail(Code::kExhausted, "the disk is full"); };
  EXPECT_EQ(code_thrown_by([&] {
              make_manifest(directory(), {"memory"}, never_, {.held_of = "memory", .write_held = full});
            }),
            Code::kExhausted);
}

// The digest is what `sha256sum state | xxd -r -p | sha256sum` says: a file of one leaf.
TEST_F(ManifestTest, HasThisText) {
  write_at("state", 0, "state");
  EXPECT_EQ(to_text(make_manifest(directory(), {"state"}, never_)),
            "knaller-manifest 2\n"
            "file state 5\n"
            "0 976a5ea297c390bec582bb4330d915155e221547340b1c07b228079e210e9d6e\n"
            "end 53d705363c9c71b3236c1382544944444cca39ed2d2c29380581542903d5efdf\n");
}

TEST_F(ManifestTest, ThoseOfFormat1AreReadAndWrittenAsTheyWere) {
  const std::string text =
      "knaller-manifest 1\n"
      "file state 5\n"
      "0 4ba69735ca53765ed6a709edb56c6ea236b7193a3b29a6b390c346f0f4340e4e\n"
      "end cf23af83a53889fe194c6ae179486c383ee64d5670d4657e4a73027da7f53935\n";
  const Manifest manifest = parse_manifest(text);
  EXPECT_EQ(to_text(manifest), text);
  write_at("state", 0, "state");
  EXPECT_EQ(verify(manifest.files[0]), std::nullopt);
  // Their digests are of no use for a manifest of today.
  EXPECT_EQ(to_text(make_manifest(directory(), {"state"}, never_, {.known = {{manifest.files[0]}}})),
            to_text(make_manifest(directory(), {"state"}, never_)));
  write_at("state", 4, "E");
  EXPECT_EQ(verify(manifest.files[0]), Code::kCorrupt);
}

TEST_F(ManifestTest, IsWrittenInOneWayOnly) {
  const std::string body = "knaller-manifest 2\nfile state 7\n0 " + std::string(64, 'a') + "\n";
  const auto parse = [](const std::string& text) {
    return parse_manifest(text + "end " + sha256_hex(text) + "\n");
  };
  EXPECT_EQ(parse(body).files.size(), 1u);
  for (const char* other : {"07", "+7", "7 ", "0x7"}) {
    std::string changed = body;
    EXPECT_THROW(parse(changed.replace(body.find("7\n"), 1, other)), Error) << other;
  }
}

TEST_F(ManifestTest, StoredZerosAndHolesGiveOneManifest) {
  resize("hole", 2 * kChunkBytes);
  write_at("zeros", 0, std::string(2 * kChunkBytes, '\0'));
  EXPECT_EQ(digest_file(directory(), "hole", never_).chunks,
            digest_file(directory(), "zeros", never_).chunks);
}

// In the plainest words.
std::string tree_digest(const std::string& content) {
  std::string leaves;
  for (size_t at = 0; at < content.size(); at += 16 << 10) leaves += sha256(content.substr(at, 16 << 10));
  return sha256_hex(leaves);
}

// Zeros are not hashed until something follows them; the digest is of all bytes all the same.
TEST_F(ManifestTest, TheDigestIsOfTheWholeChunk) {
  for (const size_t size : {size_t{kChunkBytes}, size_t{kChunkBytes - 1}, size_t{300'001}}) {
    for (const size_t at : {size_t{0}, size_t{16 << 10}, size_t{262'144}, size_t{300'000}, size - 1}) {
      std::string content(size, '\0');
      content[at] = 'x';
      resize("file", 0);
      write_at("file", 0, content);
      ManifestFile file = digest_file(directory(), "file", never_);
      ASSERT_EQ(file.chunks.size(), 1u);
      EXPECT_EQ(file.chunks[0].digest, tree_digest(content)) << at << " of " << size;
      EXPECT_EQ(chunk_digest(DigestKind::kTree, content), tree_digest(content));
      EXPECT_EQ(chunk_digest(DigestKind::kPlain, content), sha256_hex(content));
      file.kind = DigestKind::kPlain;
      EXPECT_EQ(verify(file), Code::kCorrupt);
      file.chunks[0].digest = sha256_hex(content);
      EXPECT_EQ(verify(file), std::nullopt) << at << " of " << size;
    }
  }
}

TEST_F(ManifestTest, EveryLeafCounts) {
  std::string content;
  for (size_t at = 0; content.size() < kChunkBytes; ++at) content += std::to_string(at);
  content.resize(kChunkBytes);
  content.replace(5 * (16 << 10), 3 * (16 << 10), 3 * (16 << 10), '\0');
  const std::string digest = chunk_digest(DigestKind::kTree, content);
  EXPECT_EQ(digest, tree_digest(content));
  for (size_t at = 0; at < content.size(); at += 16 << 10) {
    content[at + 77] = static_cast<char>(content[at + 77] ^ 1);
    EXPECT_NE(chunk_digest(DigestKind::kTree, content), digest) << at;
    content[at + 77] = static_cast<char>(content[at + 77] ^ 1);
  }
}

TEST_F(ManifestTest, ManyChunksStayInOrder) {
  make_large("memory", 101);
  make_large("disk", 30);
  const Manifest manifest = make_manifest(directory(), {"disk", "memory"}, never_);
  ASSERT_EQ(manifest.files[0].chunks.size(), 15u);
  ASSERT_EQ(manifest.files[1].chunks.size(), 51u);
  for (size_t at = 0; at < 51; ++at) EXPECT_EQ(manifest.files[1].chunks[at].offset, 2 * at * kChunkBytes);
  EXPECT_TRUE(damages(manifest).empty());
}

TEST_F(ManifestTest, ProgressIsToldOnThisThreadAndEndsWithTheTotal) {
  make_large("memory", 21);
  const auto here = std::this_thread::get_id();
  uint64_t last = 0;
  uint64_t total = 0;
  const auto told = [&](uint64_t done, uint64_t of) {
    EXPECT_EQ(std::this_thread::get_id(), here);
    EXPECT_GE(done, last);
    last = done;
    total = of;
  };
  make_manifest(directory(), {"memory"}, never_, {.progress = told});
  EXPECT_EQ(last, total);
  EXPECT_EQ(total, 11 * kChunkBytes);
}

TEST_F(ManifestTest, StopsWhenAskedTo) {
  make_large("memory", 21);
  std::stop_source stop;
  EXPECT_EQ(code_thrown_by([&] {
              make_manifest(directory(), {"memory"}, Deadline::never(stop.get_token()),
                            {.progress = [&](uint64_t, uint64_t) { stop.request_stop(); }});
            }),
            Code::kCancelled);
  EXPECT_EQ(code_thrown_by([&] {
              make_manifest(directory(), {"memory"}, Deadline::after(std::chrono::milliseconds(0)));
            }),
            Code::kTimeout);
}

TEST_F(ManifestTest, FlippedBitsTruncationAndNewDataAreFound) {
  resize("memory", 3 * kChunkBytes + 100);
  write_at("memory", kChunkBytes, "data");
  const ManifestFile whole = digest_file(directory(), "memory", never_);

  write_at("memory", kChunkBytes + 2, "T");
  EXPECT_EQ(verify(whole), Code::kCorrupt);
  write_at("memory", kChunkBytes + 2, "t");
  EXPECT_EQ(verify(whole), std::nullopt);

  write_at("memory", 3 * kChunkBytes + 99, "\1");
  EXPECT_EQ(verify(whole), Code::kCorrupt);
  write_at("memory", 3 * kChunkBytes + 99, std::string(1, '\0'));
  EXPECT_EQ(verify(whole), std::nullopt);

  resize("memory", 3 * kChunkBytes + 99);
  EXPECT_EQ(verify(whole), Code::kCorrupt);
  resize("memory", 3 * kChunkBytes + 101);
  EXPECT_EQ(verify(whole), Code::kCorrupt);
}

TEST_F(ManifestTest, TheFirstDamageOfEachFileIsNamed) {
  make_large("memory", 41);
  make_large("disk", 9);
  write_at("state", 0, "state");
  const Manifest manifest = make_manifest(directory(), {"state", "disk", "memory"}, never_);
  for (const uint64_t chunk : {36U, 12U, 30U, 13U}) write_at("memory", chunk * kChunkBytes + 77, "!");
  punch("disk", 4 * kChunkBytes, kChunkBytes);
  const std::vector<Damage> found = damages(manifest);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].file, "disk");
  EXPECT_EQ(found[0].offset, 4 * kChunkBytes);
  EXPECT_EQ(found[1].file, "memory");
  EXPECT_EQ(found[1].offset, 12 * kChunkBytes);
  EXPECT_NE(found[1].reason.find("'memory' is damaged in the 4194304 bytes from offset 50331648"),
            std::string::npos)
      << found[1].reason;
}

TEST_F(ManifestTest, FilesThatAreGoneOrSomethingElseAreDamaged) {
  for (const char* name : {"absent", "link", "fifo", "folder", "whole"}) write_at(name, 0, "state");
  const Manifest manifest = make_manifest(directory(), {"absent", "link", "fifo", "folder", "whole"}, never_);
  for (const char* name : {"absent", "link", "fifo", "folder"}) remove_tree(directory(), name);
  ASSERT_EQ(::symlinkat("whole", directory(), "link"), 0);
  ASSERT_EQ(::mkfifoat(directory(), "fifo", 0600), 0);
  ASSERT_EQ(::mkdirat(directory(), "folder", 0700), 0);
  const std::vector<Damage> found = damages(manifest);
  ASSERT_EQ(found.size(), 4u);
  for (const Damage& damage : found) {
    EXPECT_FALSE(damage.offset) << damage.reason;
    EXPECT_NE(damage.reason.find("'" + damage.file + "'"), std::string::npos) << damage.reason;
  }
}

TEST_F(ManifestTest, EveryFlippedBitOfAManifestIsFound) {
  write_at("state", 0, "state");
  const std::string text = to_text(make_manifest(directory(), {"state"}, never_));
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_EQ(code_thrown_by([&] { parse_manifest(damaged); }), Code::kCorrupt) << i;
    }
    EXPECT_EQ(code_thrown_by([&] { parse_manifest(text.substr(0, i)); }), Code::kCorrupt) << i;
  }
}

// With the right digest of its own: what no knaller wrote, and what could lead a reader astray.
TEST_F(ManifestTest, NonsenseWithARightDigestIsRefused) {
  const std::string digest(64, 'a');
  const auto parsed = [&](const std::string& lines) {
    const std::string text = "knaller-manifest 2\n" + lines;
    return code_thrown_by([&] { parse_manifest(text + "end " + sha256_hex(text) + "\n"); });
  };
  EXPECT_EQ(parsed("file memory 4194305\n0 " + digest + "\n4194304 " + digest + "\n"), std::nullopt);
  for (const std::string& lines :
       {"0 " + digest + "\n", std::string("file ../passwd 1\n"), std::string("file .new 1\n"),
        std::string("file a/b 1\n"), std::string("file memory -1\n"), std::string("file memory\n"),
        std::string("file memory 99999999999999999999\n"), std::string("file a 1\nfile a 1\n"),
        "file memory 9\n4194304 " + digest + "\n", "file memory 9\n1 " + digest + "\n",
        fmt::format("file memory 9\n0 {0}\n0 {0}\n", digest), std::string("file memory 9\n0 abc\n"),
        std::string("file memory 9\n\n")})
    EXPECT_EQ(parsed(lines), Code::kCorrupt) << lines;
}

TEST_F(ManifestTest, NothingButARegularFileIsDigested) {
  ASSERT_EQ(::symlinkat("/etc/passwd", directory(), "link"), 0);
  ASSERT_EQ(::mkfifoat(directory(), "fifo", 0600), 0);
  for (const char* name : {"link", "fifo"})
    EXPECT_EQ(code_thrown_by([&] { digest_file(directory(), name, never_); }), Code::kCorrupt) << name;
}

}  // namespace
}  // namespace knaller::store
