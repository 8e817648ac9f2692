// What the agent tells of a program that it has begun. Pure, and without exceptions.
#ifndef KNALLER_CHANNEL_SESSION_ENTRY_H_
#define KNALLER_CHANNEL_SESSION_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace knaller::channel {

// A kEntry of Service::kList.
struct SessionEntry {
  std::string session;
  uint64_t process = 0;
  std::string user;
  uint64_t started = 0;  // seconds since 1970, by the guest's clock
  bool detached = false;
  bool attached = false;  // a connection has it
  bool terminal = false;
  std::vector<std::string> arguments;  // the first kMostListed bytes of them
  // How it ended, if it has.
  std::optional<int> exit_code;
  std::optional<int> signal;
};
inline constexpr size_t kMostListed = 4096;
std::string encode(const SessionEntry& entry);
bool decode(std::string_view payload, SessionEntry& entry);

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_SESSION_ENTRY_H_
