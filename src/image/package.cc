#include "image/package.h"

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/libarchive.h"

namespace knaller::image {
namespace {

using Archive = std::unique_ptr<struct archive,
                                decltype([](struct archive* open) { libarchive().archive_read_free(open); })>;

constexpr size_t kPieceBytes = 64 << 10;

Archive make_archive() {
  Archive archive(libarchive().archive_read_new());
  if (!archive) fail(Code::kExhausted, "not enough memory to unpack an archive");
  return archive;
}

[[noreturn]] void fail_archive(struct archive* archive, const std::string& what) {
  const char* reason = libarchive().archive_error_string(archive);
  fail(Code::kCorrupt, "'{}' can't be unpacked: {}", what, reason == nullptr ? "unknown reason" : reason);
}

Archive open_tar(const std::string& path) {
  Archive archive = make_archive();
  libarchive().archive_read_support_format_tar(archive.get());
  libarchive().archive_read_support_filter_all(archive.get());
  if (libarchive().archive_read_open_filename(archive.get(), path.c_str(), kPieceBytes) != ARCHIVE_OK)
    fail_archive(archive.get(), path);
  return archive;
}

// The tar inside the ar is read through these, piece by piece.
struct Inner {
  struct archive* outer = nullptr;
  std::array<char, kPieceBytes> buffer;
};

la_ssize_t read_inner(struct archive* archive, void* context, const void** data) {
  auto* inner = static_cast<Inner*>(context);
  const la_ssize_t count =
      libarchive().archive_read_data(inner->outer, inner->buffer.data(), inner->buffer.size());
  *data = inner->buffer.data();
  if (count < 0)
    libarchive().archive_set_error(archive, EIO, "%s", libarchive().archive_error_string(inner->outer));
  return count;
}

}  // namespace

void unpack_package(const std::string& deb, FileTree& tree, const FileTree::Placement& placement,
                    const Deadline& deadline) {
  const Archive outer = make_archive();
  libarchive().archive_read_support_format_ar(outer.get());
  if (libarchive().archive_read_open_filename(outer.get(), deb.c_str(), kPieceBytes) != ARCHIVE_OK)
    fail_archive(outer.get(), deb);
  archive_entry* member = nullptr;
  for (;;) {
    const int status = libarchive().archive_read_next_header(outer.get(), &member);
    if (status == ARCHIVE_EOF) fail(Code::kCorrupt, "'{}' is not a Debian package: it has no data.tar", deb);
    if (status != ARCHIVE_OK) fail_archive(outer.get(), deb);
    const char* name = libarchive().archive_entry_pathname(member);
    if (name != nullptr && std::string_view(name).starts_with("data.tar")) break;
  }
  Inner inner{.outer = outer.get(), .buffer = {}};
  const Archive data = make_archive();
  libarchive().archive_read_support_format_tar(data.get());
  libarchive().archive_read_support_filter_all(data.get());
  if (libarchive().archive_read_open(data.get(), &inner, nullptr, read_inner, nullptr) != ARCHIVE_OK)
    fail_archive(data.get(), deb);
  tree.add_archive(data.get(), placement, deadline, fmt::format("the package '{}'", deb));
}

void unpack_tar(const std::string& tar, FileTree& tree, const FileTree::Placement& placement,
                const Deadline& deadline) {
  const Archive archive = open_tar(tar);
  tree.add_archive(archive.get(), placement, deadline, fmt::format("the archive '{}'", tar));
}

}  // namespace knaller::image
