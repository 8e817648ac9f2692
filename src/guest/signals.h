// SSH names signals ("TERM"); their numbers differ between systems. These are Linux's. Pure.
#ifndef KNALLER_GUEST_SIGNALS_H_
#define KNALLER_GUEST_SIGNALS_H_

#include <optional>
#include <string_view>

namespace knaller::guest {

// Without "SIG"; empty for a number for which SSH has no name.
std::string_view signal_name(int number);
// OpenSSH's private names ("BUS@openssh.com") are known too.
std::optional<int> signal_number(std::string_view name);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_SIGNALS_H_
