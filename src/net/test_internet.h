// For tests of real networks: the world outside of the host, and what reaches it.
#ifndef KNALLER_NET_TEST_INTERNET_H_
#define KNALLER_NET_TEST_INTERNET_H_

#include "net/test_vm.h"

namespace knaller::net {

inline constexpr const char* kHostAddress = "11.0.0.2";
inline constexpr const char* kInternet = "12.0.0.9";
inline constexpr const char* kResolver = "192.168.77.53";

inline void set_lo_up() {
  RouteSocket netlink;
  set_up(netlink, "lo");
}

// A second machine behind the host's uplink: the internet, and the host's private name server.
class Internet {
 public:
  Internet()
      : uplink_(make_uplink({kHostAddress})),
        machine_([] {
          set_lo_up();
          return make_uplink({kInternet, kResolver}).release();
        }),
        cable_(uplink_.get(), machine_.fd()) {}

  const Namespace& machine() const { return machine_; }

 private:
  UniqueFd uplink_;
  Namespace machine_;
  Cable cable_;
};

// What came out of the host, after everything sent so far has gone through: two fences, as pasta reads in
// batches.
inline std::vector<std::string> leaked_packets(int tap, int uplink, uint16_t fence_port) {
  std::vector<std::string> leaked;
  for (int i = 0; i < 2; ++i, ++fence_port) {
    send_frame(tap, frame_of({"10.255.254.2", kInternet, fence_port}));
    const auto seen = packets_before(uplink, fmt::format("udp {}:{}", kInternet, fence_port));
    leaked.insert(leaked.end(), seen.begin(), seen.end());
  }
  return leaked;
}

}  // namespace knaller::net

#endif  // KNALLER_NET_TEST_INTERNET_H_
