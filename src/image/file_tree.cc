#include "image/file_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/libarchive.h"
#include "base/text.h"

namespace knaller::image {
namespace {

constexpr uint64_t kBlock = 4096;
constexpr uint64_t kMiB = 1 << 20;
// More than any package or root file system holds; an archive that tells of more is broken or hostile.
constexpr uint64_t kMostFileBytes = uint64_t{16} << 30;
constexpr size_t kMostEntries = 4'000'000;

disk::Attributes attributes_of(archive_entry* entry) {
  disk::Attributes attributes;
  attributes.permissions = libarchive().archive_entry_mode(entry) & 07777;
  attributes.uid = static_cast<uint32_t>(libarchive().archive_entry_uid(entry));
  attributes.gid = static_cast<uint32_t>(libarchive().archive_entry_gid(entry));
  attributes.modified = std::max<int64_t>(0, libarchive().archive_entry_mtime(entry));
  libarchive().archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (libarchive().archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    // File capabilities; others (SELinux labels, ACLs of the building host) mean nothing in the guest.
    if (std::string_view(name) == "security.capability")
      attributes.xattrs.emplace_back(name, std::string(static_cast<const char*>(value), size));
  }
  return attributes;
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::string clean;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." || part.size() > 255)
      fail(Code::kCorrupt, "the path '{}' can't be in a guest", printable(path));
    for (const char c : part)
      if (static_cast<unsigned char>(c) < 0x20)
        fail(Code::kCorrupt, "the path '{}' can't be in a guest", printable(path));
    if (!clean.empty()) clean.push_back('/');
    clean += part;
  }
  if (clean.size() > 4095) fail(Code::kCorrupt, "a path of {} bytes can't be in a guest", clean.size());
  return clean;
}

std::string merged_usr(const std::string& path) {
  static constexpr std::array<std::string_view, 6> kMoved = {"bin",   "sbin",  "lib",
                                                             "lib32", "lib64", "libx32"};
  const std::string_view first = std::string_view(path).substr(0, path.find('/'));
  for (const std::string_view moved : kMoved)
    if (first == moved) return "usr/" + path;
  return path;
}

FileTree::FileTree(int scratch) {
  static constexpr char kName[] = "contents";
  spool_ = open_at(scratch, kName, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (::unlinkat(scratch, kName, 0) != 0) fail_errno("unlink an image's scratch file");
  entries_[""] = {.type = S_IFDIR, .attributes = dated({.permissions = 0755})};
}

void FileTree::insert(const std::string& path, Entry entry) {
  if (entries_.size() >= kMostEntries)
    fail(Code::kCorrupt, "more than {} files can't be in a guest", kMostEntries);
  // Every folder above must be one: a link there would lead the entry elsewhere.
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const auto [above, made] = entries_.try_emplace(path.substr(0, slash));
    if (made) above->second = {.type = S_IFDIR, .attributes = dated({.permissions = 0755})};
    if (above->second.type != S_IFDIR)
      fail(Code::kCorrupt, "'{}' can't be in the guest: '{}' is not a folder", printable(path),
           printable(above->first));
  }
  const auto found = entries_.find(path);
  if (found != entries_.end() && (found->second.type == S_IFDIR) != (entry.type == S_IFDIR))
    fail(Code::kCorrupt, "'{}' is both a folder and something else", printable(path));
  entries_[path] = std::move(entry);
}

disk::Attributes FileTree::dated(disk::Attributes attributes) const {
  if (attributes.modified == 0) attributes.modified = now_;
  return attributes;
}

void FileTree::add_directory(const std::string& path, const disk::Attributes& attributes) {
  insert(path, {.type = S_IFDIR, .attributes = dated(attributes)});
}

void FileTree::add_file(const std::string& path, const disk::Attributes& attributes,
                        std::string_view content) {
  insert(path,
         {.type = S_IFREG, .attributes = dated(attributes), .offset = spool_end_, .size = content.size()});
  write_all(spool_.get(), content, "an image's scratch file");
  spool_end_ += content.size();
}

void FileTree::add_symlink(const std::string& path, const std::string& target) {
  insert(path, {.type = S_IFLNK, .attributes = dated({.permissions = 0777}), .target = target});
}

void FileTree::add_node(const std::string& path, const disk::Attributes& attributes, mode_t type,
                        uint32_t major, uint32_t minor) {
  insert(path, {.type = type, .attributes = dated(attributes), .major = major, .minor = minor});
}

void FileTree::add_archive_file(struct archive* archive, const std::string& path, Entry entry,
                                std::string_view what) {
  entry.offset = spool_end_;
  std::array<char, 64 << 10> buffer;
  for (;;) {
    const la_ssize_t count = libarchive().archive_read_data(archive, buffer.data(), buffer.size());
    if (count < 0)
      fail(Code::kCorrupt, "{} can't be unpacked: {}", what,
           text_or_empty(libarchive().archive_error_string(archive)));
    if (count == 0) break;
    entry.size += static_cast<uint64_t>(count);
    if (entry.size > kMostFileBytes) fail(Code::kCorrupt, "'{}' in {} is too large", printable(path), what);
    write_all(spool_.get(), {buffer.data(), static_cast<size_t>(count)}, "an image's scratch file");
    spool_end_ += static_cast<uint64_t>(count);
  }
  insert(path, std::move(entry));
}

void FileTree::add_archive(struct archive* archive, const Placement& placement, const Deadline& deadline,
                           std::string_view what) {
  archive_entry* item = nullptr;
  for (;;) {
    deadline.check("an archive to be unpacked");
    const int status = libarchive().archive_read_next_header(archive, &item);
    if (status == ARCHIVE_EOF) return;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
      fail(Code::kCorrupt, "{} can't be unpacked: {}", what,
           text_or_empty(libarchive().archive_error_string(archive)));
    const std::string cleaned = clean_path(text_or_empty(libarchive().archive_entry_pathname(item)));
    const std::string path = cleaned.empty() ? cleaned : placement(cleaned);
    if (path.empty() && !cleaned.empty()) continue;
    Entry entry{.type = libarchive().archive_entry_filetype(item), .attributes = attributes_of(item)};
    if (const char* hard_link = libarchive().archive_entry_hardlink(item)) {
      entry.type = S_IFREG;
      entry.hard_link = true;
      entry.target = placement(clean_path(hard_link));
      if (entry.target.empty())
        fail(Code::kUnsupported, "{}: '{}' is a hard link to '{}', which is left out", what,
             printable(cleaned), printable(hard_link));
      insert(path, std::move(entry));
    } else if (entry.type == S_IFREG) {
      add_archive_file(archive, path, std::move(entry), what);
    } else if (entry.type == S_IFLNK) {
      entry.target = text_or_empty(libarchive().archive_entry_symlink(item));
      insert(path, std::move(entry));
    } else if (entry.type == S_IFDIR || entry.type == S_IFCHR || entry.type == S_IFBLK ||
               entry.type == S_IFIFO) {
      entry.major = static_cast<uint32_t>(libarchive().archive_entry_rdevmajor(item));
      entry.minor = static_cast<uint32_t>(libarchive().archive_entry_rdevminor(item));
      insert(path, std::move(entry));
    }  // a socket has no meaning before its server runs
  }
}

const FileTree::Entry* FileTree::find(const std::string& path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : &found->second;
}

std::string FileTree::content(const Entry& entry) const {
  std::string bytes(static_cast<size_t>(entry.size), '\0');
  read_at(spool_.get(), bytes.data(), bytes.size(), entry.offset);
  return bytes;
}

// Content, a directory block a folder, the inode tables, and some air: what is not used stays a hole.
uint64_t FileTree::image_bytes() const {
  uint64_t blocks = 0;
  for (const auto& [path, entry] : entries_)
    blocks += (entry.size + kBlock - 1) / kBlock + (entry.type == S_IFDIR ? 2 : 0);
  const uint64_t tables = (entries_.size() + 1024) * 256;
  const uint64_t bytes = blocks * kBlock + tables + blocks * kBlock / 16 + 16 * kMiB;
  return (bytes + kMiB - 1) / kMiB * kMiB;
}

void FileTree::write_entry(disk::Ext4Writer& writer, const std::string& path, const Entry& entry) const {
  switch (entry.type) {
    case S_IFDIR:
      writer.directory(path, entry.attributes);
      break;
    case S_IFLNK:
      writer.symlink(path, entry.attributes, entry.target);
      break;
    case S_IFREG: {
      uint64_t at = entry.offset;
      writer.file(path, entry.attributes, entry.size, [&](char* buffer, size_t size) {
        read_at(spool_.get(), buffer, size, at);
        at += size;
        return size;
      });
      break;
    }
    default:
      writer.node(path, entry.attributes, entry.type, entry.major, entry.minor);
  }
}

void FileTree::write_ext4(const std::string& image, const std::string& label,
                          const Deadline& deadline) const {
  disk::make_ext4(
      image, {.bytes = image_bytes(), .inodes = entries_.size() + 1024, .journal = false, .label = label},
      deadline);
  disk::Ext4Writer writer(image);
  for (const auto& [path, entry] : entries_) {
    deadline.check("the root file system to be written");
    if (!entry.hard_link) write_entry(writer, path, entry);
  }
  // A hard link's other name may come later in the alphabet, so all of them come last.
  for (const auto& [path, entry] : entries_)
    if (entry.hard_link) writer.hard_link(path, entry.target);
  writer.close();
}

}  // namespace knaller::image
