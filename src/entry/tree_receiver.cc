#include "entry/tree_receiver.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/rename.h"
#include "base/text.h"

namespace knaller::entry {
namespace {

using channel::CopyEntry;

// Of what the guest sends, the only ones that can't harm this host.
constexpr std::string_view kUserXattrs = "user.";

[[noreturn]] void fail_of_sense(const std::string& path) {
  fail(Code::kCorrupt, "the guest sent '{}' where it has no place", printable(path));
}

bool may_set_owners(const CopyOptions& options) {
  return options.archive && ::geteuid() == 0;
}

}  // namespace

bool stays_inside(size_t depth, std::string_view target) {
  if (target.starts_with("/")) return false;
  bool goes_down = false;
  for (const std::string_view name : split(target, '/')) {
    if (name.empty() || name == ".") continue;
    if (name != "..") {
      goes_down = true;
      continue;
    }
    // Behind a name, which may be a link's, ".." can be anywhere.
    if (goes_down || depth == 0) return false;
    --depth;
  }
  return true;
}

TreeReceiver::~TreeReceiver() {
  file_.reset();
  if (staged_.empty()) return;
  try {
    remove_tree(target_.folder.get(), staged_);
  } catch (const Error&) {
    // It is hidden, and its name says whose it was.
  }
}

void TreeReceiver::take(const CopyEntry& entry) {
  if (entry.path.empty() == tree_.has_value() || file_) fail_of_sense(entry.path);
  if (entry.path.empty()) begin(entry);
  const PathParts place = place_of(entry.path);
  switch (entry.kind) {
    case CopyEntry::Kind::kFile:
      file_entry_ = entry;
      file_.emplace(tree_->make_file(place));
      break;
    case CopyEntry::Kind::kFolder:
      tree_->make_directory(place, attributes_of(entry));
      break;
    case CopyEntry::Kind::kLink:
      check_link(entry);
      tree_->make_symlink(place, entry.target, attributes_of(entry));
      break;
    case CopyEntry::Kind::kHardLink:
      tree_->make_hard_link(place, place_of(entry.target));
      break;
    case CopyEntry::Kind::kLeftOut:
    case CopyEntry::Kind::kVanished:
    case CopyEntry::Kind::kChanged:
      break;
  }
}

void TreeReceiver::begin(const CopyEntry& source) {
  is_folder_ = source.kind == CopyEntry::Kind::kFolder;
  if (!is_folder_ && source.kind != CopyEntry::Kind::kFile && source.kind != CopyEntry::Kind::kLink)
    fail_of_sense(source.path);
  if (source_.is_folder && !is_folder_)
    fail(Code::kNotFound, "'{}' in the guest is not a folder", printable(options_.guest_path));
  // A "file" that arrived as a link would have whoever uses it read another file of this host.
  if (source.kind == CopyEntry::Kind::kLink && !options_.links) fail_of_sense(source.path);
  target_ = place_on_host(source_, is_folder_, options_.host_path);
  if (is_folder_)
    open_tree(source);
  else
    tree_.emplace(target_.folder.duplicate());
}

void TreeReceiver::open_tree(const CopyEntry& source) {
  if (target_.name.empty()) {
    tree_.emplace(target_.folder.duplicate());
    return;
  }
  const auto there = stat_if_exists(target_.folder.get(), target_.name);
  if (there && !S_ISDIR(there->st_mode))
    throw Error(Code::kAlreadyExists,
                fmt::format("cannot make the folder '{}': there is something else of that name",
                            printable(target_.name)),
                "move it away, or copy to another name");
  const std::string name = there ? target_.name : hidden_name();
  if (!there) {
    if (::mkdirat(target_.folder.get(), name.c_str(), 0700) != 0)
      fail_errno("make a folder for '{}'", printable(target_.name));
    staged_ = name;
  }
  tree_.emplace(open_at(target_.folder.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (!there) tree_->adopt_root(attributes_of(source));
}

PathParts TreeReceiver::place_of(const std::string& path) const {
  if (is_folder_) return path.empty() ? PathParts() : confined_parts(path);
  if (!path.empty()) fail_of_sense(path);
  return {target_.name};
}

FileAttributes TreeReceiver::attributes_of(const CopyEntry& entry) const {
  FileAttributes attributes{
      .mode = entry.mode,
      .modified = {.tv_sec = entry.modified, .tv_nsec = static_cast<long>(entry.nanoseconds)},
      .against_umask = options_.archive};
  if (may_set_owners(options_)) attributes.owner = {entry.owner, entry.group};
  if (!options_.xattrs) return attributes;
  for (const CopyEntry::Xattr& xattr : entry.xattrs)
    if (xattr.name.starts_with(kUserXattrs)) attributes.xattrs.emplace_back(xattr.name, xattr.value);
  return attributes;
}

void TreeReceiver::check_link(const CopyEntry& entry) const {
  if (options_.links) return;
  const auto depth = static_cast<size_t>(std::count(entry.path.begin(), entry.path.end(), '/'));
  if (stays_inside(depth, entry.target)) return;
  throw Error(Code::kPermission,
              fmt::format("'{}' is a link to '{}', which leads out of what is copied", printable(entry.path),
                          printable(entry.target)),
              "to copy links wherever they lead: --links");
}

void TreeReceiver::take(const channel::CopyData& data) {
  if (!file_) fail_of_sense("content");
  file_->write_at(data.bytes, data.offset);
}

void TreeReceiver::end_file(uint64_t size) {
  if (!file_ || size > INT64_MAX) fail_of_sense("an end");
  file_->set_size(size);
  file_->commit(attributes_of(file_entry_));
  file_.reset();
}

void TreeReceiver::finish() {
  if (!tree_ || file_) fail(Code::kCorrupt, "the guest ended the copy before everything had come");
  tree_->finish();
  if (staged_.empty()) return;
  if (rename_new(target_.folder.get(), staged_, target_.name) != 0)
    fail_errno("make '{}'", printable(target_.name));
  staged_.clear();
}

void StreamReceiver::take(const CopyEntry& entry) {
  if (entry.kind == CopyEntry::Kind::kChanged) return;
  if (entry.kind == CopyEntry::Kind::kFolder)
    throw Error(
        Code::kInvalidArgument,
        fmt::format("'{}' in the guest is a folder, which is no stream", printable(options_.guest_path)),
        "pack it: knaller exec NAME -- tar -c FOLDER");
  if (entry.kind != CopyEntry::Kind::kFile || is_open_ || is_done_) fail_of_sense(entry.path);
  is_open_ = true;
}

void StreamReceiver::take(const channel::CopyData& data) {
  if (!is_open_ || data.offset < position_) fail_of_sense("content");
  write_zeros_up_to(data.offset);
  write(data.bytes);
}

void StreamReceiver::end_file(uint64_t size) {
  if (!is_open_ || size < position_) fail_of_sense("an end");
  write_zeros_up_to(size);
  is_open_ = false;
  is_done_ = true;
}

void StreamReceiver::finish() {
  if (!is_done_) fail(Code::kCorrupt, "the guest ended the copy before everything had come");
}

void StreamReceiver::write(std::string_view bytes) {
  position_ += bytes.size();
  while (!bytes.empty()) {
    std::array<pollfd, 1> entry{pollfd{options_.stream_fd, POLLOUT, 0}};
    poller_.wait(entry, Deadline::never(options_.stop));
    const ssize_t written = write_without_blocking(options_.stream_fd, bytes);
    if (written < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (written < 0) fail_errno("write what comes from the guest");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void StreamReceiver::write_zeros_up_to(uint64_t position) {
  static constexpr std::array<char, 65536> kZeros{};
  while (position_ < position)
    write({kZeros.data(), static_cast<size_t>(std::min<uint64_t>(position - position_, kZeros.size()))});
}

}  // namespace knaller::entry
