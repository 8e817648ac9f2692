#include "net/bandwidth.h"

#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "net/device.h"
#include "net/packet_filter.h"

namespace knaller::net {
namespace {

// For a rate of which half a second is less than some full-sized packets.
constexpr uint64_t kLeastQueue = 256 << 10;
// The largest packet of the devices. A bucket that holds less would let none of that size through.
constexpr uint64_t kLargestPacket = 64 << 10;

template <typename T>
T capped(uint64_t value) {
  return static_cast<T>(std::min<uint64_t>(value, std::numeric_limits<T>::max()));
}

void remove_root(RouteSocket& netlink, const std::string& device) {
  NetlinkMessage message(RTM_DELQDISC, 0);
  auto& header = message.family<tcmsg>();
  header.tcm_ifindex = index_of(device);
  header.tcm_parent = TC_H_ROOT;
  try {
    netlink.apply(message, fmt::format("take the limit from '{}'", device));
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound && error.code() != Code::kInvalidArgument) throw;  // it has none
  }
}

// --- From the guest

// Only what leaves a device can wait. So what arrives from the guest leaves through a device that does
// nothing else, and arrives again: before anything else sees it, and on whatever way it goes on. (Answers to
// connections from the host's loopback end inside the namespace.)
void make_shaper(RouteSocket& netlink) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE);
  message.family<ifinfomsg>();
  mnl_attr_put_strz(message.header(), IFLA_IFNAME, kShaperDevice);
  nlattr* nest = mnl_attr_nest_start(message.header(), IFLA_LINKINFO);
  mnl_attr_put_strz(message.header(), IFLA_INFO_KIND, "ifb");
  mnl_attr_nest_end(message.header(), nest);
  try {
    netlink.apply(message, "make the device in which the guest's packets wait");
  } catch (const Error& error) {
    if (error.code() != Code::kUnsupported) throw;
    throw Error(
        Code::kUnsupported,
        "the kernel has no 'ifb' devices, in which packets wait when a network's bandwidth is limited",
        "sudo modprobe ifb");
  }
  set_up(netlink, kShaperDevice);
}

// A table of its own, made anew in one step: the filter's changes don't touch it.
constexpr const char* kNoDetour = "table netdev knaller\ndelete table netdev knaller\n";

void make_detour(const std::string& from) {
  const std::string rules = fmt::format(
      "{}table netdev knaller {{\n"
      "  chain shape {{\n"
      "    type filter hook ingress device \"{}\" priority 0; policy accept;\n"
      "    fwd to \"{}\"\n"
      "  }}\n"
      "}}\n",
      kNoDetour, from, kShaperDevice);
  try {
    load_rules(rules);
  } catch (const Error& error) {
    if (error.code() != Code::kUnsupported) throw;
    throw Error(Code::kUnsupported, error.message(), "sudo modprobe nft_fwd_netdev");
  }
}

void remove_shaper(RouteSocket& netlink) {
  if (::if_nametoindex(kShaperDevice) == 0) return;
  load_rules(kNoDetour);
  NetlinkMessage message(RTM_DELLINK, 0);
  message.family<ifinfomsg>().ifi_index = index_of(kShaperDevice);
  netlink.apply(message, "remove the device in which the guest's packets wait");
}

}  // namespace

void limit_rate(RouteSocket& netlink, const std::string& device, const Rate& rate) {
  if (rate.per_second == 0) return remove_root(netlink, device);
  const uint64_t burst = std::max(rate.burst == 0 ? rate.per_second : rate.burst, kLargestPacket);
  tc_tbf_qopt options{};
  options.rate.rate = capped<uint32_t>(rate.per_second);
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;  // else the kernel wants a table of rates
  options.limit = capped<uint32_t>(std::max(rate.per_second / 2, kLeastQueue));

  NetlinkMessage message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  auto& header = message.family<tcmsg>();
  header.tcm_ifindex = index_of(device);
  header.tcm_parent = TC_H_ROOT;
  mnl_attr_put_strz(message.header(), TCA_KIND, "tbf");
  nlattr* nest = mnl_attr_nest_start(message.header(), TCA_OPTIONS);
  mnl_attr_put(message.header(), TCA_TBF_PARMS, sizeof options, &options);
  mnl_attr_put_u32(message.header(), TCA_TBF_BURST, capped<uint32_t>(burst));
  if (rate.per_second > std::numeric_limits<uint32_t>::max())
    mnl_attr_put_u64(message.header(), TCA_TBF_RATE64, rate.per_second);
  mnl_attr_nest_end(message.header(), nest);
  try {
    netlink.apply(message, fmt::format("limit '{}'", device));
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    throw Error(Code::kUnsupported,
                "the kernel has no token bucket filter, which limits a network's bandwidth",
                "sudo modprobe sch_tbf");
  }
}

void limit_bandwidth(const Plan& plan) {
  in_context([] { return std::string("limit the VM's network"); },
             [&] {
               RouteSocket netlink;
               limit_rate(netlink, plan.tap, plan.bandwidth);
               if (plan.bandwidth.per_second == 0) return remove_shaper(netlink);
               make_shaper(netlink);
               limit_rate(netlink, kShaperDevice, plan.bandwidth);
               make_detour(plan.tap);
             });
}

}  // namespace knaller::net
