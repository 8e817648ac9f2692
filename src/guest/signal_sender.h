// Passes signals to a command in the guest. SSH has a request for that, but OpenSSH's server refuses it for
// root's sessions ("session signalling requires privilege separation", 9.2), without an answer. There a
// second command on the same connection finds the first one, its sibling, and signals its process group.
// Internal to this folder; include in .cc files only.
#ifndef KNALLER_GUEST_SIGNAL_SENDER_H_
#define KNALLER_GUEST_SIGNAL_SENDER_H_

#include <list>
#include <stop_token>

#include "guest/channel.h"

namespace knaller::guest {

class SignalSender {
 public:
  SignalSender(Channel& channel, std::stop_token stop);

  // Numbers that SSH cannot name are ignored where SSH has to carry them, and so is a second command that
  // the server does not take.
  void send(int number);
  // Takes in the ends of earlier sends.
  void tidy();

 private:
  Channel& channel_;
  std::stop_token stop_;
  bool by_command_;
  std::list<Channel> commands_;
};

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_SIGNAL_SENDER_H_
