// libssh without its own waiting: every call is driven by poll(2) here, so that a deadline and a stop token
// end it. Internal to this folder; include in .cc files only. One thread at a time.
#ifndef KNALLER_GUEST_LINK_H_
#define KNALLER_GUEST_LINK_H_

#include <poll.h>

#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/fd.h"
#include "guest/libssh_types.h"

namespace knaller::guest {

class Link {
 public:
  // `where` names the peer in errors ("127.0.0.1:2222").
  Link(UniqueFd socket, std::string where);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  ssh_session session() const { return session_.get(); }
  const std::string& where() const { return where_; }
  bool alive() const { return libssh().ssh_is_connected(session_.get()) != 0; }

  void set(enum ssh_options_e option, const std::string& value);
  void set(enum ssh_options_e option, int value);

  // Calls `operation` until it returns anything but `again`. Throws kTimeout, "timed out waiting for <what>",
  // and kCancelled.
  template <typename Operation>
  int drive(Operation&& operation, int again, const Deadline& deadline, std::string_view what) {
    while (true) {
      const int result = operation();
      if (result != again) return result;
      wait(deadline, what);
    }
  }

  // Takes in what has arrived and sends what waits to be sent. Never blocks. Nothing more happens once the
  // peer has gone.
  void pump();
  // What pump() waits for.
  pollfd poll_entry() const;
  bool has_unsent() const;

  // kIo: "<what>: <libssh's words>".
  [[noreturn]] void fail_with(std::string_view what) const;
  std::string error_text() const;

 private:
  void wait(const Deadline& deadline, std::string_view what);

  std::string where_;
  UniqueFd socket_;  // a second descriptor of libssh's, which closes its own whenever it likes
  SessionHandle session_;
  EventHandle event_;
};

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_LINK_H_
