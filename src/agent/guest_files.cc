#include "agent/guest_files.h"

#include "image/guest/files.h"

namespace knaller::agent {

bool read_account(const Guest& guest, const std::string& user, const std::string& group, Account* account,
                  std::string* missing) {
  std::string passwd, groups;
  guest_helper::read_file_in(guest.root, "/etc/passwd", &passwd);
  guest_helper::read_file_in(guest.root, "/etc/group", &groups);
  return find_account(passwd, groups, user, group, account, missing);
}

}  // namespace knaller::agent
