// What the guest's own files say of its users.
#ifndef KNALLER_AGENT_GUEST_FILES_H_
#define KNALLER_AGENT_GUEST_FILES_H_

#include <string>

#include "agent/accounts.h"
#include "agent/program.h"

namespace knaller::agent {

// As find_account(), by the guest's /etc/passwd and /etc/group; a file that is not there has no line.
bool read_account(const Guest& guest, const std::string& user, const std::string& group, Account* account,
                  std::string* missing);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_GUEST_FILES_H_
