// What a clone is told so that it becomes itself again: one JSON line in, one out (protocol 1). The parser is
// strict and pure: exactly the members it knows, each once, of the right type; the line comes from outside
// the guest.
#ifndef KNALLER_IMAGE_GUEST_RENEWAL_H_
#define KNALLER_IMAGE_GUEST_RENEWAL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace knaller::guest_helper {

inline constexpr size_t kMostRequestBytes = 4096;

struct RenewRequest {
  std::string entropy;   // decoded; empty: absent
  int64_t time_ns = -1;  // nanoseconds since 1970; -1: absent
  std::string hostname;  // empty: absent
};

struct RenewResult {
  std::string error;                // the first failure; empty: everything was done
  std::vector<std::string> failed;  // "entropy", "time", "hostname"
};

bool parse_renew_request(std::string_view line, RenewRequest* request, std::string* error);
// One line, with its newline.
std::string render_renew_result(const RenewResult& result);

// Does all that was asked for, and goes on after a failure: a clone with the right clock but the wrong name
// is better than one with neither.
RenewResult renew(const RenewRequest& request);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_RENEWAL_H_
