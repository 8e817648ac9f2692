// Whom a program in the guest runs as. The guest's own files say, /etc/passwd and /etc/group, for this
// program is static and has no name service: users of a directory server are known by their numbers alone.
#ifndef KNALLER_AGENT_ACCOUNTS_H_
#define KNALLER_AGENT_ACCOUNTS_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace knaller::agent {

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // all of them, gid included
  std::string name;           // empty for a number that the files don't know
  std::string home = "/";
  std::string shell = "/bin/sh";
};

// `user` and `group` are names or numbers; without a user it is root, without a group the user's own. False,
// with what there is not, for a name that the files don't know. Pure.
bool find_account(std::string_view passwd, std::string_view groups, std::string_view user,
                  std::string_view group, Account* account, std::string* missing);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_ACCOUNTS_H_
