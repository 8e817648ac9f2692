// The link to a guest's agent, from both of its ends, with the real kernel.
#include "net/control_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "channel/link_plan.h"
#include "net/test_internet.h"

namespace knaller::net {
namespace {

using ::testing::IsEmpty;

class ControlLinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = namespaces_refused(); !reason.empty()) GTEST_SKIP() << reason;
    if (find_program("pasta").empty()) GTEST_SKIP() << "no pasta here";
  }
};

// As an agent sends it, or an engine that a guest has taken over.
std::string frame_over_link(const Packet& packet) {
  std::string frame = frame_of(packet);
  return frame.replace(0, 12, std::string("\x06\0\x0a\xff\xfd\x01\x06\0\x0a\xff\xfd\x02", 12));
}

// What comes out of the link within a moment, without what a kernel says to its neighbours.
std::vector<std::string> answers(int tap) {
  std::vector<std::string> seen;
  char frame[2048];
  while (poll_until(tap, POLLIN, Deadline::after(std::chrono::milliseconds(200))) != 0) {
    const ssize_t length = ::read(tap, frame, sizeof frame);
    if (length > 14) seen.push_back(describe_packet({frame + 14, static_cast<size_t>(length) - 14}));
  }
  return seen;
}

TEST_F(ControlLinkTest, LeadsNowhereElse) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    const UniqueFd link = vm.control_tap();
    for (const std::string& source :
         {std::string(channel::kGuestAddress), vm.plan.guest_address, vm.plan.gateway}) {
      for (const std::string& to :
           {std::string(kInternet), vm.plan.dns, vm.plan.gateway, std::string(kPastaAddress),
            std::string(channel::kHostAddress), vm.plan.guest_address}) {
        for (const uint8_t protocol : {uint8_t{IPPROTO_UDP}, uint8_t{IPPROTO_TCP}, uint8_t{IPPROTO_ICMP}}) {
          send_frame(
              link.get(),
              frame_over_link({.source = source, .destination = to, .port = 53, .protocol = protocol}));
        }
      }
    }
    EXPECT_THAT(leaked_packets(vm.tap(), uplink.get(), 9000), IsEmpty());
    EXPECT_THAT(answers(link.get()), IsEmpty());
  });
}

// The namespace itself would take the packets: the address is one of its own.
TEST_F(ControlLinkTest, IsNotReachedFromTheGuestsOwnNetwork) {
  in_host([] {
    set_lo_up();
    const UniqueFd uplink = make_uplink({kHostAddress});
    const TestVm vm(standard_plan({}));
    const Pasta pasta = vm.start_pasta();
    const UniqueFd link = vm.control_tap();
    for (const char* to : {channel::kGuestAddress, channel::kHostAddress})
      for (const uint8_t protocol : {uint8_t{IPPROTO_UDP}, uint8_t{IPPROTO_TCP}, uint8_t{IPPROTO_ICMP}})
        send_frame(vm.tap(), frame_of({.source = vm.plan.guest_address,
                                       .destination = to,
                                       .port = channel::kPort,
                                       .protocol = protocol}));
    EXPECT_THAT(leaked_packets(vm.tap(), uplink.get(), 9000), IsEmpty());
    EXPECT_THAT(answers(link.get()), IsEmpty());
  });
}

TEST_F(ControlLinkTest, CarriesAConnectionToTheAgentAndAsksForNoNeighbour) {
  in_host([] {
    set_lo_up();
    const TestVm vm(standard_plan({}));
    const UniqueFd link = vm.control_tap();
    const UniqueFd socket = make_control_socket(VmNamespaces::of(vm.engine.pid()));
    const sockaddr_in agent = socket_name(channel::kGuestAddress, channel::kPort);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&agent), sizeof agent), -1);
    EXPECT_EQ(errno, EINPROGRESS);
    // A device that has just got its other end may carry nothing yet; TCP tries again after a second.
    EXPECT_NE(poll_until(link.get(), POLLIN, Deadline::after(std::chrono::seconds(5))), 0);
    EXPECT_THAT(answers(link.get()), ::testing::ElementsAre("tcp 169.254.253.2:1"));
  });
}

}  // namespace
}  // namespace knaller::net
