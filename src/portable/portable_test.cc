#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/test_folder.h"
#include "portable/layout.h"
#include "portable/tar.h"

namespace knaller::portable {
namespace {

std::string compressed(const std::string& text, unsigned threads = 1) {
  std::string out;
  Compressor compressor([&](std::string_view data) { out += data; }, 3, threads);
  compressor.write(text);
  compressor.finish();
  return out;
}

// Comes in small pieces, as from a pipe.
Source source_of(const std::string& text, size_t most = 777) {
  return [&text, most, at = size_t{0}](char* buffer, size_t size) mutable {
    const size_t piece = std::min({size, most, text.size() - at});
    std::copy_n(text.begin() + static_cast<ptrdiff_t>(at), piece, buffer);
    at += piece;
    return piece;
  };
}

std::string noise(size_t size) {
  std::string text(size, '\0');
  uint64_t state = 88172645463325252u;
  for (char& c : text) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    c = static_cast<char>(state & 0x3f);
  }
  return text;
}

Code code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return Code::kInternal;
}

std::string read_all(const std::string& stream) {
  Decompressor from(source_of(stream));
  std::string text(64 << 20, '\0');
  text.resize(from.read(text.data(), text.size()));
  from.expect_end();
  return text;
}

TEST(Zstd, GivesBackWhatItTook) {
  for (const size_t size : std::initializer_list<size_t>{0, 1, 1000, 9'000'000}) {
    const std::string text = noise(size);
    EXPECT_EQ(read_all(compressed(text)), text);
  }
}

TEST(Zstd, MakesTheSameStreamWithAnyNumberOfThreads) {
  const std::string text = noise(40 << 20);
  const std::string one = compressed(text, 1);
  for (const unsigned threads : {2u, 3u, 8u, 0u}) EXPECT_TRUE(compressed(text, threads) == one);
}

// Threads that have nothing to do take what there is at another time.
TEST(Zstd, MakesTheSameStreamHoweverSlowlyItIsFed) {
  const std::string text = noise(40 << 20);
  const std::string_view rest = text;
  std::string slow;
  Compressor compressor([&](std::string_view data) { slow += data; }, 3, 1);
  for (size_t at = 0; at < text.size(); at += 1 << 20) {
    compressor.write(rest.substr(at, 1 << 20));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  compressor.finish();
  EXPECT_TRUE(slow == compressed(text));
}

TEST(Zstd, RefusesWhatIsNotAllOfOneFrame) {
  const std::string whole = compressed(noise(100'000));
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 4);
  for (const std::string& bad : {std::string(), std::string("PK\3\4"), whole.substr(0, whole.size() - 1),
                                 whole + "x", whole + whole, flipped, whole.substr(0, 3)})
    EXPECT_EQ(code_of([&] { read_all(bad); }), Code::kCorrupt);
}

TEST(Extents, AreJoinedOverTheSmallestHoles) {
  std::vector<Extent> data;
  for (uint64_t at = 0; at < 100; ++at)
    data.push_back({at * 3 * kBlockBytes, (at * 3 + 1 + at % 2) * kBlockBytes});
  std::vector<Extent> few = data;
  limit_extents(few, 60);
  EXPECT_EQ(few.size(), 51u);
  EXPECT_EQ(few[1], (Extent{3 * kBlockBytes, 7 * kBlockBytes}));
  limit_extents(few, 60);
  EXPECT_EQ(few.size(), 51u);
  limit_extents(data, 10);
  EXPECT_EQ(data, (std::vector<Extent>{{0, 299 * kBlockBytes}}));
}

struct Written {
  std::string text;
  Sink sink = [this](std::string_view data) { text += data; };
  TarWriter tar{sink, 1'700'000'000};
};

TEST(Tar, GivesBackFilesWithHoles) {
  Written out;
  out.tar.add("snap_00000000", "manifest", "abc");
  const std::string data = noise(3 * kBlockBytes);
  const std::vector<Extent> extents{{kBlockBytes, 3 * kBlockBytes}, {8 * kBlockBytes, 9 * kBlockBytes}};
  out.tar.begin_file("snap_00000000", "memory", 20 * kBlockBytes + 7, extents);
  out.tar.write(data);
  out.tar.end_file();
  out.tar.add("snap_00000000", std::string(180, 'n') + "\xc3\xa4", "");
  out.tar.begin_file("snap_00000000", "hole", 12345678901234, {});
  out.tar.end_file();
  out.tar.finish();

  const std::string stream = compressed(out.text);
  Decompressor from(source_of(stream));
  TarReader tar(from);
  TarEntry entry;
  ASSERT_TRUE(tar.next(entry));
  EXPECT_EQ(entry.path, "snap_00000000/manifest");
  std::string text(3, ' ');
  tar.read(text.data(), 3);
  EXPECT_EQ(text, "abc");
  ASSERT_TRUE(tar.next(entry));
  EXPECT_EQ(entry.path, "snap_00000000/memory");
  EXPECT_EQ(entry.size, 20 * kBlockBytes + 7);
  EXPECT_EQ(entry.data, extents);
  text.resize(data.size());
  tar.read(text.data(), text.size());
  EXPECT_EQ(text, data);
  ASSERT_TRUE(tar.next(entry));
  EXPECT_EQ(entry.path, "snap_00000000/" + std::string(180, 'n') + "\xc3\xa4");
  ASSERT_TRUE(tar.next(entry));
  EXPECT_EQ(entry.size, 12345678901234u);
  EXPECT_TRUE(entry.data.empty());
  EXPECT_FALSE(tar.next(entry));
}

// Of what follows behind it, nothing may matter.
TEST(Tar, NeverReadsMoreOfAnEntryThanThereIs) {
  Written out;
  out.tar.add("a", "b", "abc");
  out.tar.finish();
  const std::string stream = compressed(out.text);
  Decompressor from(source_of(stream));
  TarReader tar(from);
  TarEntry entry;
  ASSERT_TRUE(tar.next(entry));
  std::string text(4, ' ');
  EXPECT_EQ(code_of([&] { tar.read(text.data(), 4); }), Code::kCorrupt);
}

TEST(Tar, EndsWithAnErrorWhereverItIsCutOff) {
  Written out;
  out.tar.add("a", "b", "abc");
  out.tar.begin_file("a", "c", 3 * kBlockBytes, {{kBlockBytes, 2 * kBlockBytes}});
  out.tar.write(noise(kBlockBytes));
  out.tar.end_file();
  out.tar.finish();
  for (size_t size = 0; size < out.text.size(); size += 64) {
    const std::string stream = compressed(out.text.substr(0, size));
    EXPECT_EQ(code_of([&] {
                Decompressor from(source_of(stream));
                TarReader tar(from);
                TarEntry entry;
                std::string text;
                while (tar.next(entry)) {
                  text.resize(entry.data_bytes());
                  tar.read(text.data(), text.size());
                }
              }),
              Code::kCorrupt)
        << size;
  }
}

TEST(Data, IsFoundByItsContent) {
  const TestFolder folder;
  const UniqueFd fd = open_at(folder.fd(), "file", O_RDWR | O_CREAT);
  const std::string zeros(3 * kBlockBytes, '\0');
  write_at(fd.get(), zeros.data(), zeros.size(), 0);
  write_at(fd.get(), "x", 1, store::kChunkBytes + kBlockBytes - 1);
  write_at(fd.get(), "yy", 2, 3 * store::kChunkBytes - 1);
  store::ManifestFile file = store::make_manifest(folder.fd(), {"file"}, Deadline::never()).files.front();
  EXPECT_EQ(nonzero_extents(fd.get(), file, Deadline::never()),
            (std::vector<Extent>{{store::kChunkBytes, store::kChunkBytes + kBlockBytes},
                                 {3 * store::kChunkBytes - kBlockBytes, 3 * store::kChunkBytes + 1}}));
}

TEST(LeftOut, IsOnlyWhatMayBe) {
  store::Manifest manifest;
  manifest.files = {{"memory", 1, {}}, {"vmlinux", 1, {}}};
  EXPECT_EQ(parse_left_out("vmlinux\n", manifest), std::vector<std::string>{"vmlinux"});
  for (const char* bad : {"memory\n", "base.ext4\n", "vmlinux\nvmlinux\n", "../x\n"})
    EXPECT_EQ(code_of([&] { parse_left_out(bad, manifest); }), Code::kCorrupt);
}

}  // namespace
}  // namespace knaller::portable
