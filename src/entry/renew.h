// Makes a clone itself again: fresh randomness, the right wall clock, its own name. Done after every restore,
// by the agent; what could not be done is reported, not thrown.
#ifndef KNALLER_ENTRY_RENEW_H_
#define KNALLER_ENTRY_RENEW_H_

#include <string>
#include <vector>

#include "base/deadline.h"
#include "entry/link.h"

namespace knaller::entry {

struct RenewRequest {
  std::string entropy;   // 64 bytes; empty: taken from this host's kernel
  std::string hostname;  // empty: stays. The time is this host's, as it is when the request is sent
};

struct Renewal {
  bool ok = false;
  std::string reason;               // when not ok
  std::vector<std::string> failed;  // what the helper could not do: "time", "entropy", "hostname"
};

// By the agent's own program, not by the guest's copy of it, which a guest of somebody's own need not have.
// Throws what keeps it from being tried; what the helper can't do is a Renewal that is not ok.
Renewal renew(Link& link, const RenewRequest& request, const Deadline& deadline);

// Pure: what a clone has of its snapshot when that failed, for people: "clock and hostname"; everything when
// nothing is named.
std::string kept_parts(const std::vector<std::string>& failed);

// Pure: the answer's one line of JSON, which comes from the guest.
Renewal parse_renewal(const std::string& line);

}  // namespace knaller::entry

#endif  // KNALLER_ENTRY_RENEW_H_
