// Ports, by an agent that serves this machine instead of a guest.
#include "entry/connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "entry/test_agent.h"

namespace knaller::entry {
namespace {

using ::testing::HasSubstr;

class ConnectTest : public AgentTest {
 protected:
  RawLink open_port(const TestListener& service) const {
    return connect_port(Link({connect(), {}}, "uuid-of-web"), service.port(), kSoon);
  }
  // Until both sides have ended; what came.
  static std::string exchange(RawLink link, const std::string& says) {
    Pipe in = make_pipe(), out = make_pipe();
    std::jthread writer([&] {
      write_all(in.write_end.get(), says, "the input");
      in.write_end.reset();
    });
    std::string heard;
    std::jthread reader([&] { heard = read_to_end(out.read_end.get(), 1 << 30, "the output"); });
    relay(link, in.read_end.get(), out.write_end.get(), {});
    out.write_end.reset();
    reader.join();
    return heard;
  }

  TestListener service_;
};

TEST_F(ConnectTest, CarriesMegabytesBothWaysAndEachSidesEnd) {
  const std::string there = random_bytes(8 << 20), back = random_bytes(8 << 20);
  std::string heard;
  std::jthread service([&] {
    const UniqueFd client = service_.accept();
    heard = read_to_end(client.get(), 1 << 30, "what the client says");
    send_all(client.get(), back, kSoon, "the client");
  });
  EXPECT_TRUE(exchange(open_port(service_), there) == back);
  service.join();
  EXPECT_TRUE(heard == there);
}

TEST_F(ConnectTest, GoesOnAfterTheServiceHasSaidAll) {
  std::string heard;
  std::jthread service([&] {
    const UniqueFd client = service_.accept();
    send_all(client.get(), "all", kSoon, "the client");
    ::shutdown(client.get(), SHUT_WR);
    heard = read_to_end(client.get(), 1 << 30, "what the client says");
  });
  const std::string much(4 << 20, 'x');
  EXPECT_EQ(exchange(open_port(service_), much), "all");
  service.join();
  EXPECT_TRUE(heard == much);
}

TEST_F(ConnectTest, SaysWhatPortNobodyListensOn) {
  service_.close();
  EXPECT_THAT(message_thrown_by([&] { open_port(service_); }),
              HasSubstr(fmt::format("connect to port {} in the guest: Connection refused", service_.port())));
}

TEST_F(ConnectTest, TellsABrokenConnectionFromAnEnd) {
  RawLink link = open_port(service_);
  {
    const UniqueFd client = service_.accept();
    const linger at_once = {.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  EXPECT_THAT(message_thrown_by([&] { relay(link, -1, -1, {}); }), HasSubstr("connection to the guest"));
}

TEST_F(ConnectTest, EndsWithTheVm) {
  Pipe engine = make_pipe();
  RawLink link = connect_port(Link({connect(), std::move(engine.read_end)}, "uuid"), service_.port(), kSoon);
  const UniqueFd client = service_.accept();
  Pipe quiet = make_pipe();
  engine.write_end.reset();
  EXPECT_THAT(message_thrown_by([&] { relay(link, quiet.read_end.get(), -1, {}); }),
              HasSubstr("the VM has ended"));
}

// Its other end is in the VM that the clone was made from.
TEST_F(ConnectTest, IsCutInAClone) {
  RawLink link = open_port(service_);
  const UniqueFd client = service_.accept();
  const RawLink of_clone = connect_port(Link({connect(), {}}, "uuid-of-its-clone"), service_.port(), kSoon);
  ASSERT_NE(poll_until(client.get(), POLLIN, kSoon), 0);
  EXPECT_EQ(read_to_end(client.get(), 16, "the end"), "");
}

}  // namespace
}  // namespace knaller::entry
