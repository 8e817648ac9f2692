// Descriptors that cross a unix stream socket. A byte carries them.
#ifndef KNALLER_BASE_FD_PASSING_H_
#define KNALLER_BASE_FD_PASSING_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace knaller {

inline constexpr size_t kMostPassedFds = 8;

// Blocks where the socket does. At most kMostPassedFds descriptors, which stay open here.
void send_with_fds(int socket, char byte, std::span<const int> fds, std::string_view what);

// The same for a short text and a socket that may not take it: all of it, or nothing.
bool try_send_with_fds(int socket, std::string_view text, std::span<const int> fds);

struct ByteWithFds {
  bool end = false;  // of the stream; `byte` is 0 then
  char byte = 0;
  std::vector<UniqueFd> fds;  // close-on-exec
};
// Waits for one byte, and takes what came with it.
ByteWithFds receive_with_fds(int socket, std::string_view what);
// Appends what there is to `buffer`, and the descriptors that came with it; false at the end. Blocks where
// the socket does.
bool receive_some_with_fds(int socket, std::string& buffer, std::vector<UniqueFd>& fds,
                           std::string_view what);

}  // namespace knaller

#endif  // KNALLER_BASE_FD_PASSING_H_
