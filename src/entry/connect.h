// Connections to TCP ports of a guest, by way of its agent: no port of the host is open for them, and the
// guest's own network has no part in it.
#ifndef KNALLER_ENTRY_CONNECT_H_
#define KNALLER_ENTRY_CONNECT_H_

#include <cstdint>
#include <stop_token>

#include "base/deadline.h"
#include "entry/link.h"

namespace knaller::entry {

// Makes the link a connection to the port, on the guest's 127.0.0.1 or ::1. Nothing else can be done by it
// from then on. kIo when nobody listens there, kTimeout, kUnsupported for an agent that can't.
RawLink connect_port(Link link, uint16_t port, const Deadline& deadline);

// Moves bytes between the link and the caller's descriptors until both sides have ended, each of which is
// told of the other's end (shutdown(2)), or the caller's other side is gone. -1: no input, or output that is
// dropped. kIo when the guest's side broke off, the VM's end included.
void relay(RawLink& link, int input, int output, const std::stop_token& stop);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_CONNECT_H_
