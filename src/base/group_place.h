// Where this process may make control groups of version 2, and what the hierarchies are that it is in.
//
// May be used from any thread. What the host does not offer is no error here: the place says why.
#ifndef KNALLER_BASE_GROUP_PLACE_H_
#define KNALLER_BASE_GROUP_PLACE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace knaller {

// Where a hierarchy is mounted: its group `root` is the folder `point`.
struct GroupMount {
  std::string root;
  std::string point;
};
enum class GroupVersion { k1, k2 };
// By the text of /proc/self/mountinfo: of cgroup2, or of version 1's hierarchy that has the controller
// "memory".
std::optional<GroupMount> find_group_mount(std::string_view mountinfo, GroupVersion version);
// The group, as /proc/self/cgroup names it, below that mount: "" for its top, and for a group that is outside
// it.
std::string below_mount(const GroupMount& mount, std::string_view group);
// "0::/user.slice/session-1.scope" -> "/user.slice/session-1.scope"; nothing without a group of version 2.
std::optional<std::string> group_of_version_2(std::string_view cgroups);

// Where groups can be made, and which controllers can limit them.
struct GroupPlace {
  std::string folder;  // absolute; empty: nowhere
  std::vector<std::string>
      controllers;      // of "cpu", "io", "memory", "pids": in force in each group of `folder`
  std::string why_not;  // why there is none, or why a controller is missing
  std::string remedy;

  bool has(std::string_view controller) const;
};

// The folder is "knaller", or `slice`, a relative path, in the topmost group, of this process's own and those
// above it, that it may write to and that has no processes: root's is the top of the hierarchy, an ordinary
// user's what the system has delegated. Unless there is a `slice`, the folder is not outside of a group
// around this process that limits memory or processor time. Makes the folder if it is missing, and hands the
// controllers down to it. kInvalidArgument for a `slice` that is no relative path, kPermission and the like
// when it can't be used.
GroupPlace prepare_group_place(const std::string& slice = {});
// The same of any process: by its /proc/PID/cgroup and mountinfo.
GroupPlace prepare_group_place(const std::string& slice, std::string_view cgroups,
                               std::string_view mountinfo);

}  // namespace knaller

#endif  // KNALLER_BASE_GROUP_PLACE_H_
