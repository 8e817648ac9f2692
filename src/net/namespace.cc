#include "net/namespace.h"

#include "base/error.h"
#include "base/file.h"
#include "net/device.h"
#include "net/packet_filter.h"
#include "net/rules.h"
#include "net/sysctl.h"

namespace knaller::net {
namespace {

// Forwarding is switched on for all devices, pasta's that is yet to come included. route_localnet lets a
// connection from 127.0.0.1 leave through the TAP after its translation. Refusals of the filter may be told
// to the guest every 10 ms instead of once a second. IPv6 is off as long as no rules are written for it; a
// kernel without it has no such files.
void set_sysctls(const Plan& plan) {
  set_sysctl("ipv4/ip_forward", "1");
  set_sysctl("ipv4/conf/" + plan.tap + "/route_localnet", "1");
  set_sysctl("ipv4/icmp_ratelimit", "10");
  disable_ipv6();
}

}  // namespace

void set_up_namespace(const Plan& plan, const HostNetwork& host, uid_t tap_owner) {
  check_plan(plan);
  in_context([&] { return fmt::format("make the TAP '{}'", plan.tap); },
             [&] { make_tap(plan.tap, tap_owner); });
  in_context([] { return std::string("set up the VM's network devices"); },
             [&] {
               RouteSocket netlink;
               set_mac(netlink, plan.tap, plan.tap_mac);
               set_up(netlink, "lo");
               add_address(netlink, plan.tap, plan.gateway, plan.prefix);
               add_address(netlink, "lo", plan.dns, 32);
               answer_quickly(netlink, plan.tap);
               set_sysctls(plan);
               set_up(netlink, plan.tap);
             });
  in_context([] { return std::string("load the VM's packet filter"); },
             [&] { load_rules(render_rules(plan, host)); });
}

}  // namespace knaller::net
