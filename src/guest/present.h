// What the guest already has where a copy is about to put something. Asked before anything is sent, so that a
// copy which must not be made changes nothing.
#ifndef KNALLER_GUEST_PRESENT_H_
#define KNALLER_GUEST_PRESENT_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "guest/session.h"

namespace knaller::guest {

// `host_path` is to go into `folder` of the guest under `name` (empty: its contents alone). Returns those
// folders of it, by their names there, that the guest has already, as folders or as links to some.
// kAlreadyExists when anything would take the place of what is not a regular file, or a link to one or to
// nothing, and when a folder would take the place of anything.
std::set<std::string> present_folders(Session& session, const std::string& host_path,
                                      const std::string& folder, const std::string& name,
                                      const Deadline& deadline);

// Pure: which of these names the guest says are folders already; nothing when its answer is not whole. What
// it says about other things is ignored.
std::optional<std::set<std::string>> parse_present(std::string_view answer, const std::string& folder,
                                                   const std::vector<std::string>& names);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_PRESENT_H_
