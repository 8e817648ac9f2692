// Descriptors that cross a unix stream socket. A byte carries them.
#ifndef KNALLER_BASE_FD_PASSING_H_
#define KNALLER_BASE_FD_PASSING_H_

#include <span>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace knaller {

inline constexpr size_t kMostPassedFds = 8;

// Blocks where the socket does. At most kMostPassedFds descriptors, which stay open here.
void send_with_fds(int socket, char byte, std::span<const int> fds, std::string_view what);

struct ByteWithFds {
  bool end = false;  // of the stream; `byte` is 0 then
  char byte = 0;
  std::vector<UniqueFd> fds;  // close-on-exec
};
// Waits for one byte, and takes what came with it.
ByteWithFds receive_with_fds(int socket, std::string_view what);

}  // namespace knaller

#endif  // KNALLER_BASE_FD_PASSING_H_
