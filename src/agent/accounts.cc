#include "agent/accounts.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace knaller::agent {
namespace {

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<uint32_t> number_in(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // The last one means "none" to every call.
  if (error != std::errc() || end != text.data() + text.size() || number == UINT32_MAX) return std::nullopt;
  return number;
}

// name:password:uid:gid:comment:home:shell
struct User {
  std::string_view name, home, shell;
  uid_t uid = 0;
  gid_t gid = 0;
};

std::optional<User> parse_user(std::string_view line) {
  const auto parts = split(line, ':');
  if (parts.size() < 7 || parts[0].empty()) return std::nullopt;
  const auto uid = number_in(parts[2]), gid = number_in(parts[3]);
  if (!uid || !gid) return std::nullopt;
  return User{.name = parts[0], .home = parts[5], .shell = parts[6], .uid = *uid, .gid = *gid};
}

// The first line of that name or, if there is none, of that number.
std::optional<User> find_user(std::string_view passwd, std::string_view wanted) {
  const auto number = number_in(wanted);
  std::optional<User> by_number;
  for (const std::string_view line : split(passwd, '\n')) {
    const auto user = parse_user(line);
    if (!user) continue;
    if (user->name == wanted) return user;
    if (number && user->uid == *number && !by_number) by_number = user;
  }
  return by_number;
}

// name:password:gid:member,member
struct Group {
  std::string_view name, members;
  gid_t gid = 0;
};

std::optional<Group> parse_group(std::string_view line) {
  const auto parts = split(line, ':');
  if (parts.size() < 4 || parts[0].empty()) return std::nullopt;
  const auto gid = number_in(parts[2]);
  if (!gid) return std::nullopt;
  return Group{.name = parts[0], .members = parts[3], .gid = *gid};
}

std::optional<gid_t> find_group(std::string_view groups, std::string_view wanted) {
  for (const std::string_view line : split(groups, '\n')) {
    const auto group = parse_group(line);
    if (group && group->name == wanted) return group->gid;
  }
  return number_in(wanted);
}

void add_memberships(std::string_view groups, Account* account) {
  for (const std::string_view line : split(groups, '\n')) {
    const auto group = parse_group(line);
    if (!group || group->gid == account->gid) continue;
    const auto members = split(group->members, ',');
    if (std::find(members.begin(), members.end(), account->name) != members.end())
      account->groups.push_back(group->gid);
  }
}

}  // namespace

bool find_account(std::string_view passwd, std::string_view groups, std::string_view user,
                  std::string_view group, Account* account, std::string* missing) {
  *account = {};
  const std::string_view wanted = user.empty() ? "root" : user;
  const auto number = number_in(user.empty() ? "0" : user);
  if (const auto found = find_user(passwd, wanted)) {
    account->uid = found->uid;
    account->gid = found->gid;
    account->name = found->name;
    if (!found->home.empty()) account->home = found->home;
    if (!found->shell.empty()) account->shell = found->shell;
  } else if (number) {
    account->uid = *number;
    account->gid = *number;
  } else {
    *missing = "user '" + std::string(user) + "'";
    return false;
  }
  if (!group.empty()) {
    const auto gid = find_group(groups, group);
    if (!gid) {
      *missing = "group '" + std::string(group) + "'";
      return false;
    }
    account->gid = *gid;
  }
  account->groups.push_back(account->gid);
  if (!account->name.empty()) add_memberships(groups, account);
  return true;
}

}  // namespace knaller::agent
