// Keeps an agent in the guest for as long as the guest lives.
#ifndef KNALLER_AGENT_KEEPER_H_
#define KNALLER_AGENT_KEEPER_H_

namespace knaller::agent {

enum class When {
  kAtBoot,  // the guest's root file system is still to come, and is waited for
  kLater,
};
// The arguments by which this program knows that it is to be the agent, with the listening socket's number.
inline constexpr char kKeepAtBoot[] = "keep-at-boot";
inline constexpr char kKeepLater[] = "keep";
[[noreturn]] void keep(int listener, When when);

// Called by the initramfs's /init before the guest's own init is, and by that one when somebody has killed
// every process (has_control_link()): leaves a process behind that has the control link, and another one that
// serves it, which is started again when it ends. A guest without such a device, or whose kernel has no
// network namespaces, has no agent; that is said on the console.
void leave_agent(When when);

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_KEEPER_H_
