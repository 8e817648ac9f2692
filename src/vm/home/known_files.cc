#include "vm/home/known_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "store/layout.h"

namespace knaller::vm {
namespace {

using store::Kind;

// Is it there, and ours alone to change?
bool may_be(int directory, const std::string& name, uint64_t size, std::set<ino_t>& seen) {
  const auto info = stat_if_exists(directory, name);
  return info && S_ISREG(info->st_mode) && static_cast<uint64_t>(info->st_size) == size &&
         info->st_uid == ::geteuid() && (info->st_mode & 0777) == 0400 && seen.insert(info->st_ino).second;
}

UniqueFd open_folder(const Context& context, Kind kind, const std::string& entry) {
  UniqueFd folder = context.home.open_entry(kind, entry);
  if (kind != Kind::kVm) return folder;
  return open_at(folder.get(), layout::kParts, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

bool take_from(int folder, const store::ManifestFile& wanted, int directory, const Deadline& deadline) {
  try {
    store::verify_file(folder, wanted, deadline);
  } catch (const Error& error) {
    if (error.code() == Code::kCorrupt) return false;
    throw;
  }
  link_or_copy(folder, wanted.name, directory, wanted.name, deadline);
  // Between the two somebody may have put another one there.
  store::verify_file(directory, wanted, deadline);
  return true;
}

}  // namespace

bool link_known_file(const Context& context, const store::ManifestFile& wanted, int directory,
                     const Deadline& deadline) {
  std::set<ino_t> seen;
  for (const Kind kind : {Kind::kImage, Kind::kSnapshot, Kind::kVm})
    for (const std::string& entry : context.home.entries(kind)) {
      try {
        const UniqueFd folder = open_folder(context, kind, entry);
        if (may_be(folder.get(), wanted.name, wanted.size, seen) &&
            take_from(folder.get(), wanted, directory, deadline))
          return true;
      } catch (const Error& error) {
        if (error.code() != Code::kNotFound) throw;  // removed meanwhile, or not of ours
      }
    }
  return false;
}

}  // namespace knaller::vm
