#include "agent/tree_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/names.h"

namespace knaller::agent {
namespace {

using channel::CopyEntry;
using copy::Descriptor;

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

bool is_device(mode_t mode) {
  return !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode);
}

timespec time_of(const CopyEntry& entry) {
  return {.tv_sec = entry.modified, .tv_nsec = static_cast<long>(entry.nanoseconds)};
}

}  // namespace

TreeWriter::TreeWriter(const channel::CopyRequest& request)
    : request_(request), shown_(request.path), umask_(current_umask()) {}

TreeWriter::~TreeWriter() {
  if (file_) unlinkat(file_slot_.folder, file_made_.c_str(), 0);
  if (!staged_.empty()) remove_tree(folder_.get(), staged_);
}

bool TreeWriter::fail(const char* what, const std::string& path) {
  failure_ = {errno, what + (" '" + shown_ + (path.empty() ? "" : "/" + path) + "'")};
  return false;
}

bool TreeWriter::find_place() {
  struct stat status {};
  const std::string& path = request_.path;
  if (stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return fail("look at", "");
    if (path.back() == '/' && !request_.folder) return fail("copy into the folder", "");
    return find_place_beside(path);
  }
  if (S_ISDIR(status.st_mode)) return find_place_in(Descriptor(open(path.c_str(), kFolderFlags)));
  errno = EEXIST;
  if (is_device(status.st_mode)) return fail("replace the device, pipe or socket", "");
  if (request_.folder) return fail("replace by a folder the file", "");
  // A link to a file that is named stays one, and its file gets the content.
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return fail("look at", "");
  return find_place_beside(resolved);
}

bool TreeWriter::find_place_in(Descriptor folder) {
  if (!folder) return fail("open", "");
  if (request_.name.empty()) {
    errno = EISDIR;
    if (!request_.folder) return fail("write a stream to", "");
    root_ = std::move(folder);
    return true;
  }
  folder_ = std::move(folder);
  name_ = request_.name;
  shown_ += (shown_.back() == '/' ? "" : "/") + name_;
  return !request_.folder || open_root();
}

bool TreeWriter::find_place_beside(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  folder_ = Descriptor(open(folder.c_str(), kFolderFlags));
  if (!folder_) {
    failure_ = {errno, "open '" + folder + "'"};
    return false;
  }
  errno = EINVAL;
  if (name_.empty() || name_ == "." || name_ == "..") return fail("copy to", "");
  return !request_.folder || open_root();
}

// A folder, or a link to one, that is there already gets what is new.
bool TreeWriter::open_root() {
  struct stat status {};
  if (fstatat(folder_.get(), name_.c_str(), &status, 0) == 0) {
    errno = EEXIST;
    if (!S_ISDIR(status.st_mode)) return fail("replace by a folder what is at", "");
    root_ = Descriptor(openat(folder_.get(), name_.c_str(), kFolderFlags));
    return root_ || fail("open", "");
  }
  if (errno != ENOENT) return fail("look at", "");
  errno = EEXIST;
  if (fstatat(folder_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    return fail("replace by a folder the link", "");
  return stage_root();
}

bool TreeWriter::stage_root() {
  staged_ = hidden_name();
  if (mkdirat(folder_.get(), staged_.c_str(), 0700) != 0) {
    staged_.clear();
    return fail("make the folder", "");
  }
  root_ = Descriptor(openat(folder_.get(), staged_.c_str(), kFolderFlags | O_NOFOLLOW));
  return root_ || fail("open", "");
}

bool TreeWriter::take(const CopyEntry& entry) {
  errno = EPROTO;
  // What comes first must be of the kind that was announced, and a file's end comes before what follows.
  if (file_ || (entry.path.empty() && (entry.kind == CopyEntry::Kind::kFolder) != request_.folder) ||
      (!entry.path.empty() && !root_))
    return fail("make", entry.path);
  switch (entry.kind) {
    case CopyEntry::Kind::kFile:
      return make_file(entry);
    case CopyEntry::Kind::kFolder:
      return make_folder(entry);
    case CopyEntry::Kind::kLink:
      return make_link(entry);
    case CopyEntry::Kind::kHardLink:
      return make_hard_link(entry);
    case CopyEntry::Kind::kLeftOut:
    case CopyEntry::Kind::kVanished:
    case CopyEntry::Kind::kChanged:
      return true;
  }
  return true;
}

bool TreeWriter::slot_of(const std::string& path, Slot* slot) {
  if (path.empty()) {
    *slot = {folder_.get(), name_};
    return true;
  }
  const size_t slash = path.rfind('/');
  slot->name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (slash == std::string::npos) {
    slot->folder = root_.get();
    return true;
  }
  const std::string folder = path.substr(0, slash);
  if (folder != parent_path_ || !parent_) {
    parent_ = Descriptor(openat(root_.get(), folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    parent_path_ = folder;
  }
  slot->folder = parent_.get();
  return parent_ || fail("open", folder);
}

bool TreeWriter::make_folder(const CopyEntry& entry) {
  if (entry.path.empty()) {
    if (!staged_.empty()) folders_.push_back(entry);
    return true;
  }
  Slot slot;
  if (!slot_of(entry.path, &slot)) return false;
  // Open to us until all that belongs into it is there.
  if (mkdirat(slot.folder, slot.name.c_str(), 0700) == 0) {
    folders_.push_back(entry);
    return true;
  }
  struct stat status {};
  if (errno != EEXIST) return fail("make the folder", entry.path);
  if (fstatat(slot.folder, slot.name.c_str(), &status, 0) == 0 && S_ISDIR(status.st_mode)) return true;
  errno = EEXIST;
  return fail("replace by a folder what is at", entry.path);
}

bool TreeWriter::may_replace(const Slot& slot, const std::string& path) {
  // In a folder that is new there is nothing.
  if (!staged_.empty()) return true;
  struct stat status {};
  if (fstatat(slot.folder, slot.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT || fail("look at", path);
  if (S_ISLNK(status.st_mode) && fstatat(slot.folder, slot.name.c_str(), &status, 0) != 0) return true;
  if (S_ISREG(status.st_mode)) return true;
  errno = EEXIST;
  return fail(S_ISDIR(status.st_mode) ? "replace the folder" : "replace the device, pipe or socket", path);
}

std::string TreeWriter::name_to_make(const Slot& slot) {
  return staged_.empty() ? hidden_name() : slot.name;
}

bool TreeWriter::give_name(const Slot& slot, const std::string& made, const std::string& path) {
  if (made == slot.name) return true;
  if (may_replace(slot, path)) {
    if (renameat(slot.folder, made.c_str(), slot.folder, slot.name.c_str()) == 0) {
      // rename(2) does nothing when both names are the same file's already.
      unlinkat(slot.folder, made.c_str(), 0);
      return true;
    }
    fail("make", path);
  }
  unlinkat(slot.folder, made.c_str(), 0);
  return false;
}

bool TreeWriter::make_file(const CopyEntry& entry) {
  if (!slot_of(entry.path, &file_slot_) || !may_replace(file_slot_, entry.path)) return false;
  file_entry_ = entry;
  file_made_ = name_to_make(file_slot_);
  written_ = 0;
  file_ = Descriptor(openat(file_slot_.folder, file_made_.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_of(entry)));
  return file_ || fail("make", entry.path);
}

bool TreeWriter::take(const channel::CopyData& data) {
  errno = EPROTO;
  if (!file_) return fail("write", "");
  written_ = std::max(written_, data.offset + data.bytes.size());
  return write_at(file_.get(), data.bytes, data.offset) || fail("write", file_entry_.path);
}

bool TreeWriter::end_file(uint64_t size) {
  errno = EPROTO;
  if (!file_ || size > INT64_MAX) return fail("write", "");
  if (size != written_ && ftruncate(file_.get(), static_cast<off_t>(size)) != 0)
    return fail("write", file_entry_.path);
  if (!set_attributes(file_.get(), file_entry_, !request_.keep_attributes)) return false;
  file_ = Descriptor();
  return give_name(file_slot_, file_made_, file_entry_.path);
}

bool TreeWriter::make_link(const CopyEntry& entry) {
  Slot slot;
  if (!slot_of(entry.path, &slot) || !may_replace(slot, entry.path)) return false;
  const std::string made = name_to_make(slot);
  if (symlinkat(entry.target.c_str(), slot.folder, made.c_str()) != 0)
    return fail("make the link", entry.path);
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, time_of(entry)};
  utimensat(slot.folder, made.c_str(), times, AT_SYMLINK_NOFOLLOW);
  if (request_.keep_attributes && geteuid() == 0 &&
      fchownat(slot.folder, made.c_str(), entry.owner, entry.group, AT_SYMLINK_NOFOLLOW) != 0) {
    fail("set the owner of", entry.path);
    unlinkat(slot.folder, made.c_str(), 0);
    return false;
  }
  return give_name(slot, made, entry.path);
}

bool TreeWriter::make_hard_link(const CopyEntry& entry) {
  Slot slot;
  if (!slot_of(entry.path, &slot) || !may_replace(slot, entry.path)) return false;
  const std::string made = name_to_make(slot);
  if (linkat(root_.get(), entry.target.c_str(), slot.folder, made.c_str(), 0) != 0)
    return fail("make the hard link", entry.path);
  return give_name(slot, made, entry.path);
}

mode_t TreeWriter::mode_of(const CopyEntry& entry) const {
  return request_.keep_attributes ? entry.mode & 07777 : entry.mode & 0777 & ~umask_;
}

bool TreeWriter::set_attributes(int file, const CopyEntry& entry, bool has_mode) {
  // As an ordinary user, who can't, with nobody's owners.
  if (request_.keep_attributes && geteuid() == 0 && fchown(file, entry.owner, entry.group) != 0)
    return fail("set the owner of", entry.path);
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, time_of(entry)};
  if (!has_mode && fchmod(file, mode_of(entry)) != 0) return fail("set the mode of", entry.path);
  return set_xattrs(file, entry) && (futimens(file, times) == 0 || fail("set the time of", entry.path));
}

bool TreeWriter::set_xattrs(int file, const CopyEntry& entry) {
  if (!request_.keep_xattrs) return true;
  for (const CopyEntry::Xattr& xattr : entry.xattrs)
    if (fsetxattr(file, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0)
      return fail("set an extended attribute of", entry.path);
  return true;
}

bool TreeWriter::finish() {
  errno = EPROTO;
  if (file_) return fail("write", file_entry_.path);
  // Backwards, so that a folder comes after those in it.
  for (auto entry = folders_.rbegin(); entry != folders_.rend(); ++entry) {
    const std::string path = entry->path.empty() ? "." : entry->path;
    const Descriptor folder(openat(root_.get(), path.c_str(), kFolderFlags | O_NOFOLLOW));
    if (!folder) return fail("open", entry->path);
    if (!set_attributes(folder.get(), *entry, false)) return false;
  }
  if (staged_.empty()) return true;
  if (rename_new(folder_.get(), staged_, name_) != 0) return fail("make", "");
  staged_.clear();
  return true;
}

}  // namespace knaller::agent
