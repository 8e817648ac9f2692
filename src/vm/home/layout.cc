#include "vm/home/layout.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "store/layout.h"

namespace knaller::vm {
namespace {

// Of what an engine made in the place of a file or socket; the rest is the next sweep's.
constexpr std::chrono::seconds kClearTime{1};

UniqueFd open_inside(int directory, const std::string& name) {
  return open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

void make_inside(int directory, const std::string& name) {
  if (::mkdirat(directory, name.c_str(), 0700) != 0) fail_errno("make the folder '{}'", name);
}

}  // namespace

std::vector<const char*> drive_ids(const store::Machine& machine) {
  if (machine.has_base) return {"base", "disk"};
  return {"rootfs"};
}

std::string own_disk(const store::VmRecord& record) {
  return record.has_base ? layout::kDisk : layout::kRootfs;
}

std::vector<Part> shared_parts_of(const store::VmRecord& record) {
  std::vector<Part> parts;
  if (record.has_base) parts.push_back({layout::kBase, layout::kBase});
  if (!record.boot_args.empty()) parts.push_back({layout::kKernel, layout::kKernel});
  if (record.has_initrd) parts.push_back({layout::kInitrd, layout::kInitrd});
  return parts;
}

std::vector<Part> parent_parts() {
  return {{layout::kMemory, layout::kParentMemory}, {layout::kState, layout::kParentState}};
}

std::vector<Part> parts_of(const store::VmRecord& record) {
  std::vector<Part> parts = shared_parts_of(record);
  if (record.has_parent_memory())
    for (const Part& part : parent_parts()) parts.push_back(part);
  return parts;
}

std::vector<std::string> jail_names(const std::vector<Part>& parts) {
  std::vector<std::string> names;
  for (const Part& part : parts) names.push_back(part.jail_name);
  return names;
}

void make_vm_directories(int directory) {
  make_inside(directory, layout::kParts);
  make_inside(directory, layout::kJail);
  open_at(directory, layout::kAlive, O_WRONLY | O_CREAT | O_EXCL);
}

void add_part(int directory, int from_dir, const std::string& from, const std::string& part,
              const Deadline& deadline) {
  const UniqueFd parts = open_inside(directory, layout::kParts);
  link_or_copy(from_dir, from, parts.get(), part, deadline);
}

void remove_parts(int directory, const std::vector<Part>& parts) {
  const UniqueFd from = open_inside(directory, layout::kParts);
  const UniqueFd jail = open_inside(directory, layout::kJail);
  for (const Part& part : parts) {
    remove_tree(from.get(), part.name);
    clear_name(jail.get(), part.jail_name, directory, Deadline::after(kClearTime));
  }
}

void refresh_jail(int directory, const std::vector<Part>& parts, const Deadline& deadline) {
  const UniqueFd from = open_inside(directory, layout::kParts);
  const UniqueFd jail = open_inside(directory, layout::kJail);
  for (const Part& part : parts) {
    // A link that is there stays: made anew, it would have to be on the disk before the start is announced.
    const UniqueFd file = open_at(from.get(), part.name, O_PATH | O_NOFOLLOW);
    if (is_still_named(jail.get(), part.jail_name, file.get())) continue;
    clear_name(jail.get(), part.jail_name, directory, Deadline::after(kClearTime));
    link_or_copy(from.get(), part.name, jail.get(), part.jail_name, deadline);
  }
  for (const std::string& name : layout::leftovers(layout::Place::kInJail, layout::Leftover::kOfTheDead))
    clear_name(jail.get(), name, directory, Deadline::after(kClearTime));
}

void remove_engine_files(int directory, int jail) {
  for (const std::string& file : layout::leftovers(layout::Place::kInJail, layout::Leftover::kOfACapture))
    clear_name(jail, file, directory, Deadline::after(kClearTime));
}

}  // namespace knaller::vm
