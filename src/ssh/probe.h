// Is the guest's SSH server there? Pasta accepts connections long before the guest listens, so only a banner
// counts; Debian's pasta opens the connection to the guest only after the client has sent something, so the
// probe speaks first.
#ifndef KNALLER_SSH_PROBE_H_
#define KNALLER_SSH_PROBE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/deadline.h"

namespace knaller::ssh {

// Returns once an SSH banner was read from host:port; `host` is a numeric IPv4 address. Connections that are
// refused or closed are retried within 5 ms. `alive_check` is called at least every 50 ms and ends the probe
// by throwing. Throws kTimeout, with what was seen instead of a banner, and kCancelled.
void probe(const std::string& host, uint16_t port, const Deadline& deadline,
           const std::function<void()>& alive_check = {});

// Pure: whether there is an SSH server's first line, with its end, in what was heard.
bool has_banner(std::string_view heard);

}  // namespace knaller::ssh

#endif  // KNALLER_SSH_PROBE_H_
