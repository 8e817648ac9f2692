#include "vm/home/store_findings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace knaller::vm {
namespace {

bool is_right(mode_t mode, Access access) {
  switch (access) {
    case Access::kFolder:
      return (mode & 07777) == 0700;
    case Access::kPrivate:
      return (mode & 07077) == 0 && (mode & 0400) != 0;
    case Access::kEngines:
      return true;
    case Access::kImmutable:
      break;
  }
  return (mode & 07777) == 0400;
}

mode_t right_mode(Access access) {
  switch (access) {
    case Access::kFolder:
      return 0700;
    case Access::kPrivate:
      return 0600;
    case Access::kEngines:
    case Access::kImmutable:
      break;
  }
  return 0400;
}

// Through the descriptor: a name could be a link by now.
void set_mode(int dir, const std::string& name, mode_t mode) {
  const UniqueFd fd = open_at(dir, name, O_PATH | O_NOFOLLOW);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) fail_errno("look at '{}'", name);
  if (S_ISLNK(info.st_mode)) fail(Code::kCorrupt, "'{}' is a link", name);
  // fchmod(2) takes no O_PATH descriptor (Linux < 6.6).
  if (::chmod(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), mode) != 0)
    fail_errno("change the mode of '{}'", name);
}

}  // namespace

StoreFindings::StoreFindings(const Context& context, bool repair) : repair_(repair) {
  struct stat home {};
  if (::fstat(context.home.root(), &home) != 0) fail_errno("look at '{}'", context.home.path());
  owner_ = home.st_uid;
  home_ = context.home.path();
}

void StoreFindings::mendable(StoreFinding finding, const std::function<bool()>& mend) {
  if (!repair_) return report_.findings.push_back(std::move(finding));
  try {
    if (!mend()) return;
    finding.repaired = true;
    finding.remedy.clear();
  } catch (const Error& error) {
    finding.text += fmt::format("; it could not be repaired: {}", error.what());
    finding.remedy = error.hint();
  }
  report_.findings.push_back(std::move(finding));
}

void StoreFindings::leftover(const std::string& path, const std::string& text, const store::TreeUse& tree,
                             const std::function<bool()>& remove) {
  // With a repair, what stood before it is gone already, and the links say so.
  const uint64_t bytes = repair_ ? tree.exclusive() : planned_.remove(tree);
  mendable({.kind = StoreFinding::Kind::kLeftover,
            .path = path,
            .text = text,
            .frees_bytes = bytes,
            .remedy = "knaller store check --repair"},
           remove);
  if (!report_.findings.empty() && report_.findings.back().path == path && !report_.findings.back().repaired)
    leftovers_.insert(path);
}

void StoreFindings::check_access(int dir, const std::string& name, const std::string& path, Access access) {
  const auto info = stat_if_exists(dir, name);
  if (!info || (!S_ISREG(info->st_mode) && !S_ISDIR(info->st_mode))) return;
  if (!seen_.insert({info->st_dev, info->st_ino}).second) return;
  if (info->st_uid != owner_) check_owner(dir, name, path, info->st_uid);
  check_mode(dir, name, path, info->st_mode, access);
}

void StoreFindings::check_owner(int dir, const std::string& name, const std::string& path, uid_t owner) {
  mendable({.kind = StoreFinding::Kind::kAccess,
            .path = path,
            .text = fmt::format("it belongs to user {}, and the home to user {}", owner, owner_),
            .remedy = fmt::format("sudo chown {} '{}/{}'", owner_, home_, path)},
           [&] {
             if (::fchownat(dir, name.c_str(), owner_, static_cast<gid_t>(-1), AT_SYMLINK_NOFOLLOW) != 0)
               throw errno_error(errno, fmt::format("give '{}' to user {}", path, owner_))
                   .with_hint(fmt::format("sudo chown {} '{}/{}'", owner_, home_, path));
             return true;
           });
}

void StoreFindings::check_mode(int dir, const std::string& name, const std::string& path, mode_t mode,
                               Access access) {
  if (is_right(mode, access)) return;
  mendable({.kind = StoreFinding::Kind::kAccess,
            .path = path,
            .text = fmt::format("its mode is {:04o} instead of {:04o}", mode & 07777, right_mode(access)),
            .remedy = "knaller store check --repair"},
           [&] {
             set_mode(dir, name, right_mode(access));
             return true;
           });
}

void StoreFindings::damage(const std::string& path, const std::string& text, const std::string& remedy) {
  report_.findings.push_back(
      {.kind = StoreFinding::Kind::kDamage, .path = path, .text = text, .remedy = remedy});
}

void StoreFindings::unusable(const std::string& path, const Error& error, const std::string& remedy) {
  if (error.code() != Code::kPermission) return damage(path, error.what(), remedy);
  report_.findings.push_back(
      {.kind = StoreFinding::Kind::kAccess,
       .path = path,
       .text = error.what(),
       .remedy = fmt::format("sudo chown --recursive {} '{}/{}'", owner_, home_, path)});
}

void StoreFindings::note(const std::string& path, const std::string& text, const std::string& remedy) {
  report_.findings.push_back(
      {.kind = StoreFinding::Kind::kNote, .path = path, .text = text, .remedy = remedy});
}

StoreReport StoreFindings::finish() {
  for (const StoreFinding& finding : report_.findings) {
    (finding.repaired ? report_.freed_bytes : report_.freeable_bytes) += finding.frees_bytes;
    if (finding.kind != StoreFinding::Kind::kNote && !finding.repaired) report_.clean = false;
  }
  return std::move(report_);
}

}  // namespace knaller::vm
