// The host's UDP ports from which a VM's datagrams leave.
//
// For each port that a guest sends from, pasta binds the port of that number on all addresses of the host. So
// the packet filter maps them all to a block of 255 ports that is this VM's own: a guest neither takes ports
// that others want, nor uses up what the kernel hands out. A socket on the port before the block, which
// nothing else can bind while it lasts, keeps other VMs away, whoever's they are.
#ifndef KNALLER_NET_UDP_SOURCES_H_
#define KNALLER_NET_UDP_SOURCES_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace knaller::net {

class UdpSources {
 public:
  // A block outside of what the kernel hands out, in which nobody has a port. Where all are taken (some 100
  // VMs), one is shared: then two VMs may get each other's answers, which their packet filters drop.
  static UdpSources claim();

  uint16_t first() const { return first_; }
  uint16_t last() const { return last_; }
  bool shared() const { return !claim_; }

 private:
  uint16_t first_ = 0;
  uint16_t last_ = 0;
  UniqueFd claim_;
};

// The first ports of the blocks there are, best first; pure. `ephemeral`: the range that the kernel hands out
// from, `bound`: ports that somebody has.
std::vector<uint16_t> free_blocks(std::pair<int, int> ephemeral, const std::vector<uint16_t>& bound);

}  // namespace knaller::net

#endif  // KNALLER_NET_UDP_SOURCES_H_
