// What a Session is made of. Internal to this folder; include in .cc files only.
#ifndef KNALLER_GUEST_SESSION_IMPL_H_
#define KNALLER_GUEST_SESSION_IMPL_H_

#include <string>

#include "guest/link.h"
#include "guest/session.h"

namespace knaller::guest {

struct Session::Impl {
  Impl(const Address& given, UniqueFd socket, std::string where)
      : address(given), link(std::move(socket), std::move(where)) {}

  Address address;
  std::string host_key;
  Link link;
};

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_SESSION_IMPL_H_
