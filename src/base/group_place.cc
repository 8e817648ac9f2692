#include "base/group_place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace knaller {
namespace {

constexpr std::string_view kWanted[] = {"cpu", "io", "memory", "pids"};
constexpr char kOwnFolder[] = "knaller";
constexpr char kDelegated[] = "systemd-run --user --scope knaller …";
constexpr size_t kLargestList = 1 << 20;

std::string text_of(const std::string& path) {
  return read_file_if_exists(AT_FDCWD, path, kLargestList).value_or("");
}

// A list of what `file` of the group names, of those that matter here.
std::vector<std::string> wanted_of(const std::string& folder, const char* file) {
  const std::string text = text_of(folder + "/" + file);
  std::vector<std::string> names;
  for (const std::string_view name : split(trim(text), ' '))
    if (std::ranges::find(kWanted, name) != std::end(kWanted)) names.emplace_back(name);
  return names;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// The hierarchy's root has no type, and may hold processes beside groups.
bool is_root(const std::string& folder) {
  return !exists(folder + "/cgroup.type");
}

bool has_processes(const std::string& folder) {
  return !is_root(folder) && !trim(text_of(folder + "/cgroup.procs")).empty();
}

// The kernel asks this of who moves a process: of the groups that both are in, the lowest must be writable.
bool is_writable(const std::string& folder) {
  for (const char* name : {"", "/cgroup.procs", "/cgroup.subtree_control"})
    if (::access((folder + name).c_str(), W_OK) != 0) return false;
  return true;
}

// Somebody limits what is in it. A limit of processes says nothing: systemd gives one to every unit.
bool is_limited(const std::string& folder) {
  for (const char* name : {"/memory.max", "/memory.high", "/cpu.max"}) {
    const std::string text = text_of(folder + name);
    if (!text.empty() && !text.starts_with("max")) return true;
  }
  return false;
}

// From the top of what is mounted to the group itself.
std::vector<std::string> line_of(const GroupMount& mount, const std::string& own) {
  std::vector<std::string> line{mount.point};
  for (size_t slash = own.find('/', 1); slash != std::string::npos; slash = own.find('/', slash + 1))
    line.push_back(mount.point + own.substr(0, slash));
  if (own.size() > 1) line.push_back(mount.point + own);
  return line;
}

// Hands down what is missing below; one by one, for a refused one must not keep the others back.
void hand_down(const std::string& folder) {
  const auto below = wanted_of(folder, "cgroup.subtree_control");
  const UniqueFd control(::open((folder + "/cgroup.subtree_control").c_str(), O_WRONLY | O_CLOEXEC));
  for (const std::string& name : wanted_of(folder, "cgroup.controllers")) {
    if (contains(below, name)) continue;
    const std::string word = "+" + name;
    // What is in force in the end is read back.
    [[maybe_unused]] const ssize_t written = ::write(control.get(), word.data(), word.size());
  }
}

void check_slice(const std::string& slice) {
  const auto refuse = [&](std::string_view why) {
    throw Error(Code::kInvalidArgument, fmt::format("control group '{}': {}", printable(slice), why),
                "give a path below the hierarchy or, as an ordinary user, below what is delegated to you: "
                "ci.slice, or ci/builds");
  };
  if (slice.starts_with('/')) refuse("it is not a relative path");
  if (printable(slice) != slice || slice.size() > 1024) refuse("it is not plain text of at most 1024 bytes");
  for (const std::string_view part : split(slice, '/'))
    if (part.empty() || part == "." || part == ".." || part.starts_with("cgroup.") || part.size() > 200)
      refuse("each part must be the name of a group");
}

// Each level below `base` is made if it is missing.
std::string make_levels(const std::string& base, const std::string& path) {
  std::string folder = base;
  hand_down(folder);
  for (const std::string_view part : split(path, '/')) {
    folder += "/" + std::string(part);
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
      fail_errno("make the control group '{}'", folder);
    if (has_processes(folder))
      throw Error(Code::kBusy, fmt::format("the control group '{}' has processes of its own", folder),
                  "groups can be made only in one without processes: give another one");
    hand_down(folder);
  }
  if (!is_writable(folder))
    throw Error(
        Code::kPermission, fmt::format("no groups can be made in the control group '{}'", folder),
        "it must belong to the user who starts the VM, its cgroup.procs and cgroup.subtree_control too");
  return folder;
}

GroupPlace nowhere(std::string why, std::string remedy) {
  return {.folder = {}, .controllers = {}, .why_not = std::move(why), .remedy = std::move(remedy)};
}

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void tell_of_missing(GroupPlace& place) {
  std::vector<std::string> missing;
  for (const std::string_view name : kWanted)
    if (!place.has(name)) missing.emplace_back(name);
  if (missing.empty()) return;
  place.why_not = fmt::format("'{}' lacks the controllers {}", place.folder, list(missing));
  place.remedy = ::geteuid() == 0
                     ? "boot without cgroup_disable=, and with systemd.unified_cgroup_hierarchy=1"
                     : "let systemd delegate them: Delegate=cpu io memory pids in "
                       "/etc/systemd/system/user@.service.d/delegate.conf";
}

}  // namespace

bool GroupPlace::has(std::string_view controller) const {
  return contains(controllers, controller);
}

std::optional<GroupMount> find_group_mount(std::string_view mountinfo, GroupVersion version) {
  const bool version_2 = version == GroupVersion::k2;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.end() - dash < 4 || dash - fields.begin() < 6 || dash[1] != (version_2 ? "cgroup2" : "cgroup"))
      continue;
    const auto options = split(dash[3], ',');
    if (!version_2 && std::ranges::find(options, "memory") == options.end()) continue;
    return GroupMount{std::string(fields[3]), std::string(fields[4])};
  }
  return std::nullopt;
}

std::string below_mount(const GroupMount& mount, std::string_view group) {
  if (mount.root != "/" && group.starts_with(mount.root)) group.remove_prefix(mount.root.size());
  return std::string(group == "/" || group.find("/..") != std::string_view::npos ? "" : group);
}

std::optional<std::string> group_of_version_2(std::string_view cgroups) {
  for (const std::string_view line : split(cgroups, '\n'))
    if (line.starts_with("0::/")) return std::string(line.substr(3));
  return std::nullopt;
}

GroupPlace prepare_group_place(const std::string& slice) {
  return prepare_group_place(slice, text_of("/proc/self/cgroup"), text_of("/proc/self/mountinfo"));
}

GroupPlace prepare_group_place(const std::string& slice, std::string_view cgroups,
                               std::string_view mountinfo) {
  if (!slice.empty()) check_slice(slice);
  const auto mount = find_group_mount(mountinfo, GroupVersion::k2);
  const auto own = group_of_version_2(cgroups);
  if (!mount || !own || wanted_of(mount->point, "cgroup.controllers").empty())
    return nowhere("this host has no control groups of version 2",
                   "boot with systemd.unified_cgroup_hierarchy=1");
  const auto line = line_of(*mount, below_mount(*mount, *own));
  // Not outside of what the command itself was put into, unless that is asked for.
  const auto limited = std::ranges::find_if(line.rbegin(), line.rend(), is_limited);
  const auto first = slice.empty() && limited != line.rend() ? std::prev(limited.base()) : line.begin();
  const auto base = std::find_if(first, line.end(), [](const std::string& folder) {
    return is_writable(folder) && !has_processes(folder);
  });
  if (base == line.end() && first != line.begin())
    return nowhere(
        fmt::format("this command runs in '{}', which has limits of its own, and a VM's group would "
                    "have to be outside of them",
                    *first),
        "start it from elsewhere, or name the group to use: --cgroup-slice");
  if (base == line.end())
    return nowhere(
        fmt::format("no control group is delegated to this user where this command runs ({})", *own),
        kDelegated);
  GroupPlace place;
  try {
    place.folder = make_levels(*base, slice.empty() ? kOwnFolder : slice);
  } catch (const Error& error) {
    if (!slice.empty()) throw;  // what was asked for
    return nowhere(error.message(), kDelegated);
  }
  place.controllers = wanted_of(place.folder, "cgroup.subtree_control");
  tell_of_missing(place);
  return place;
}

}  // namespace knaller
