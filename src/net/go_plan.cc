// The Go program's derivation, as its network.go has it: everything from SHA-256 of the VM's name.

#include <array>

#include "base/error.h"
#include "base/libcrypto.h"
#include "net/plan.h"

namespace knaller::net {
namespace {

// Of its gateway, the same in all its VMs.
constexpr const char* kGoTapMac = "AA:FC:01:00:00:00";

std::array<unsigned char, SHA256_DIGEST_LENGTH> digest_of(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  libcrypto().SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

// A /30 below 172.16.0.0/18: the digest's first 14 bits count them, and `host` (1 or 2) is the address in it.
std::string address_in_subnet(unsigned subnet, unsigned host) {
  return fmt::format("172.16.{}.{}", subnet >> 8, ((subnet << 2) | host) & 0xff);
}

}  // namespace

Plan go_plan(std::string_view vm_name, std::vector<PortForward> ports) {
  const auto digest = digest_of(vm_name);
  const unsigned subnet = ((unsigned{digest[0]} << 8) | digest[1]) & 0x3fff;
  Plan plan;
  plan.tap = "kn-" + std::string(vm_name.substr(0, 8));
  plan.tap_mac = kGoTapMac;
  plan.guest_mac = fmt::format("AA:FC:00:{:02X}:{:02X}:{:02X}", digest[0], digest[1], digest[2]);
  plan.gateway = address_in_subnet(subnet, 1);
  plan.guest_address = address_in_subnet(subnet, 2);
  plan.redirect_dns = true;  // its guests ask the name servers of the host that they were booted on
  plan.ports = std::move(ports);
  return plan;
}

}  // namespace knaller::net
