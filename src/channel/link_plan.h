// The link between the agent in a guest and the network namespace of its VM: constants, the same in every VM,
// so that a snapshot finds in any namespace what it had in the first one. Both sides know each other's MAC,
// and never ask for it.
#ifndef KNALLER_CHANNEL_LINK_PLAN_H_
#define KNALLER_CHANNEL_LINK_PLAN_H_

#include <cstdint>

namespace knaller::channel {

inline constexpr char kHostMac[] = "06:00:0a:ff:fd:01";
inline constexpr char kGuestMac[] = "06:00:0a:ff:fd:02";
// Of the link-local range, in which no guest has a route of its own to anything of ours.
inline constexpr char kHostAddress[] = "169.254.253.1";
inline constexpr char kGuestAddress[] = "169.254.253.2";
inline constexpr int kPrefix = 30;
inline constexpr uint16_t kPort = 1;

}  // namespace knaller::channel

#endif  // KNALLER_CHANNEL_LINK_PLAN_H_
