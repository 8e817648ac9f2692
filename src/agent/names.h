// Names in the guest's file systems: made, taken, and freed. Without exceptions.
#ifndef KNALLER_AGENT_NAMES_H_
#define KNALLER_AGENT_NAMES_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace knaller::agent {

// That nobody else has: ".knaller-0123456789abcdef".
std::string hidden_name();
// umask(2) can only be asked by setting it. One thread.
mode_t current_umask();
// 0, or -1 with EEXIST where the name is taken.
int rename_new(int folder, const std::string& from, const std::string& to);
// As far as it goes; follows no link.
void remove_tree(int folder, const std::string& name);
// All of it. False: errno.
bool write_at(int file, std::string_view bytes, uint64_t offset);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_NAMES_H_
