// Owners of what libssh allocates. Include in .cc files only.
#ifndef KNALLER_GUEST_LIBSSH_TYPES_H_
#define KNALLER_GUEST_LIBSSH_TYPES_H_

#include <memory>
#include <type_traits>

#include "guest/libssh.h"

namespace knaller::guest {

template <auto kRelease>
struct Releaser {
  template <typename T>
  void operator()(T* object) const {
    (libssh().*kRelease)(object);
  }
};

using KeyHandle = std::unique_ptr<std::remove_pointer_t<ssh_key>, Releaser<&LibSsh::ssh_key_free>>;
using SessionHandle = std::unique_ptr<std::remove_pointer_t<ssh_session>, Releaser<&LibSsh::ssh_free>>;
using EventHandle = std::unique_ptr<std::remove_pointer_t<ssh_event>, Releaser<&LibSsh::ssh_event_free>>;
using ChannelHandle =
    std::unique_ptr<std::remove_pointer_t<ssh_channel>, Releaser<&LibSsh::ssh_channel_free>>;
// For key material too: libssh's own free; the C library's would do as well.
using SshString = std::unique_ptr<char, Releaser<&LibSsh::ssh_string_free_char>>;

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_LIBSSH_TYPES_H_
