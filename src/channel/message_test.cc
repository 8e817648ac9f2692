#include "channel/message.h"

#include <gtest/gtest.h>

#include "channel/fields.h"

namespace knaller::channel {
namespace {

TEST(Message, HelloComesOutAsItWentIn) {
  const Hello said{.program = "0.1.0", .vm = "a-uuid", .keep_sessions = true, .run = "r"};
  Hello heard;
  ASSERT_TRUE(decode(encode(said), heard));
  EXPECT_EQ(heard.newest, kProtocol);
  EXPECT_EQ(heard.oldest, 1);
  EXPECT_EQ(heard.program, "0.1.0");
  EXPECT_EQ(heard.vm, "a-uuid");
  EXPECT_TRUE(heard.keep_sessions);
  EXPECT_EQ(heard.run, "r");
}

TEST(Message, ExecComesOutAsItWentIn) {
  const ExecRequest asked{.session = "0123456789abcdef",
                          .arguments = {"printf", "", "a\nb"},
                          .environment = {"A=1", "B="},
                          .user = "web",
                          .group = "33",
                          .directory = "/srv",
                          .terminal = WindowSize{50, 132},
                          .detached = true,
                          .own = true};
  const std::string payload = encode(asked);
  EXPECT_EQ(service_of(payload), Service::kExec);
  ExecRequest heard;
  ASSERT_TRUE(decode(payload, heard));
  EXPECT_EQ(heard.arguments, asked.arguments);
  EXPECT_EQ(heard.environment, asked.environment);
  EXPECT_EQ(heard.user, "web");
  EXPECT_EQ(heard.group, "33");
  EXPECT_EQ(heard.directory, "/srv");
  EXPECT_EQ(heard.terminal, asked.terminal);
  EXPECT_TRUE(heard.detached);
  EXPECT_TRUE(heard.own);
}

TEST(Message, AttachComesOutAsItWentIn) {
  const std::string payload = encode(AttachRequest{.session = "s", .output = 1ULL << 40, .error = 7});
  EXPECT_EQ(service_of(payload), Service::kAttach);
  AttachRequest heard;
  ASSERT_TRUE(decode(payload, heard));
  EXPECT_EQ(heard.session, "s");
  EXPECT_EQ(heard.output, 1ULL << 40);
  EXPECT_EQ(heard.error, 7U);
}

TEST(Message, EventsAndEndsComeOutAsTheyWentIn) {
  Event event;
  ASSERT_TRUE(decode(encode(Event{.started = 77, .signal = 15, .window = WindowSize{1, 2}}), event));
  EXPECT_EQ(event.started, 77U);
  EXPECT_EQ(event.signal, 15);
  EXPECT_EQ(event.window, (WindowSize{1, 2}));
  EXPECT_FALSE(event.input_position);
  End end;
  ASSERT_TRUE(decode(encode(End{.error = 2, .reason = "run /x"}), end));
  EXPECT_EQ(end.error, 2);
  EXPECT_EQ(end.reason, "run /x");
  EXPECT_EQ(decode_position(encode_position(UINT64_MAX)), UINT64_MAX);
}

// Written down: an agent of today is asked by a knaller of tomorrow.
TEST(Message, HasTheseBytes) {
  EXPECT_EQ(encode(End{.exit_code = 3}), std::string("\x01\0\x08\0\0\0\x03\0\0\0\0\0\0\0", 14));
  EXPECT_EQ(encode(ExecRequest{.session = "s", .arguments = {"ls"}}),
            std::string("\x01\0\x08\0\0\0\x01\0\0\0\0\0\0\0"
                        "\x02\0\x01\0\0\0s"
                        "\x03\0\x02\0\0\0ls",
                        29));
}

TEST(Message, AsksForAPortWithTheseBytes) {
  const std::string bytes(
      "\x01\0\x08\0\0\0\x03\0\0\0\0\0\0\0"
      "\x0e\0\x08\0\0\0\x50\0\0\0\0\0\0\0",
      28);
  EXPECT_EQ(encode(ConnectRequest{.port = 80}), bytes);
  ConnectRequest request;
  EXPECT_EQ(service_of(bytes), Service::kConnect);
  ASSERT_TRUE(decode(bytes, request));
  EXPECT_EQ(request.port, 80);
  EXPECT_FALSE(decode(encode(ConnectRequest{}), request)) << "no port";
}

TEST(Message, PassesOverWhatALaterOneAdds) {
  FieldWriter later;
  later.add(999, "new");
  Event event;
  EXPECT_TRUE(decode(later.text() + encode(Event{.signal = 9}) + later.text(), event));
  EXPECT_EQ(event.signal, 9);
}

TEST(Message, IsRefusedWhenItSaysNothingSensible) {
  Hello hello;
  EXPECT_FALSE(decode("", hello)) << "no version";
  EXPECT_FALSE(decode(encode(Hello{.newest = 1, .oldest = 2}), hello));
  ExecRequest exec;
  EXPECT_FALSE(decode(encode(ExecRequest{.session = "s"}), exec)) << "no program";
  EXPECT_FALSE(decode(encode(ExecRequest{.arguments = {"ls"}}), exec)) << "no session";
  End end;
  EXPECT_FALSE(decode(encode(End{}), end));
  EXPECT_FALSE(decode(encode(End{.exit_code = 1, .signal = 9}), end)) << "both";
  Event event;
  FieldWriter large;
  large.add_number(3, UINT64_MAX);
  EXPECT_FALSE(decode(large.text(), event)) << "no such signal";
  EXPECT_FALSE(service_of("\x01"));
  EXPECT_FALSE(service_of(""));
  EXPECT_FALSE(decode_position("1234567"));
}

}  // namespace
}  // namespace knaller::channel
