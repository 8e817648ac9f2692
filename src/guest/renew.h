// Makes a clone itself again: fresh randomness, the right wall clock, its own name. Done after every restore,
// by the helper that images of ours carry; what could not be done is reported, not thrown.
#ifndef KNALLER_GUEST_RENEW_H_
#define KNALLER_GUEST_RENEW_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/session.h"

namespace knaller::guest {

struct RenewRequest {
  std::string entropy;   // 64 bytes; empty: taken from this host's kernel
  std::string hostname;  // empty: stays. The time is this host's, as it is when the request is sent
};

struct Renewal {
  bool ok = false;
  std::string reason;               // when not ok
  std::vector<std::string> failed;  // what the helper could not do: "time", "entropy", "hostname"
};

// Runs a program in the guest with that input, as root, and collects what it says.
using RunInGuest = std::function<CommandOutput(const std::vector<std::string>& argv, std::string_view input)>;
RunInGuest run_by_ssh(Session& session, const Deadline& deadline);

// Throws what `run` does; a guest without the helper, or whose helper fails, is a Renewal that is not ok.
Renewal renew(const RunInGuest& run, const RenewRequest& request);

// Pure: what a clone has of its snapshot when that failed, for people: "clock and hostname"; everything when
// nothing is named.
std::string kept_parts(const std::vector<std::string>& failed);

// Pure: the answer's one line of JSON, which comes from the guest.
Renewal parse_renewal(const std::string& line);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_RENEW_H_
