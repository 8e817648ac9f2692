#include "qemu/devices.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace knaller::qemu {
namespace {

using namespace std::string_literals;

const std::string kHead = "QEVM\0\0\0\3"s;
// Section 2, "timer", instance 0, version 2, then its content.
const std::string kTimer = "\4\0\0\0\0\5timer\0\0\0\0\0\0\0\2"s;

std::string first_stream() {
  return kHead + "\7machine" + "\1\0\0\0\2\3ram....blobs of the firmware"s + "\x7e\0\0\0\2"s + kTimer +
         "OLD-DEVICES" + "\0\6\0\0\0\4desc"s;
}
std::string saved() {
  return kHead + kTimer + "NEW-DEVICES" + "\0"s;
}

TEST(Devices, JoinsTheMachineOfTheFirstWithTheDevicesOfNow) {
  EXPECT_EQ(join_devices(first_stream(), saved()),
            kHead + "\7machine" + "\1\0\0\0\2\3ram....blobs of the firmware"s + "\x7e\0\0\0\2"s + kTimer +
                "NEW-DEVICES" + "\0\6\0\0\0\0"s);
}

TEST(Devices, JoinedStreamIsTheBaseOfTheNext) {
  const std::string second = join_devices(first_stream(), saved());
  EXPECT_EQ(join_devices(second, saved()), second);
}

TEST(Devices, RefusesWhatDoesNotFit) {
  std::string other = first_stream();
  other.replace(other.find("timer"), 5, "clock");
  EXPECT_THROW(join_devices(other, saved()), Error);
  // The same bytes, but not behind a section's end.
  std::string elsewhere = first_stream();
  elsewhere[elsewhere.find('\x7e')] = 'x';
  EXPECT_THROW(join_devices(elsewhere, saved()), Error);
  EXPECT_THROW(join_devices("", saved()), Error);
}

TEST(Devices, RefusesASaveInAnotherForm) {
  for (size_t size = 0; size < kHead.size() + kTimer.size(); ++size) {
    EXPECT_THROW(join_devices(first_stream(), saved().substr(0, size)), Error) << size;
  }
  std::string partial = saved();
  partial[kHead.size()] = '\1';
  EXPECT_THROW(join_devices(first_stream(), partial), Error);
}

TEST(Devices, ChecksTheBeginningOfAStream) {
  EXPECT_NO_THROW(check_devices(first_stream()));
  EXPECT_THROW(check_devices(""), Error);
  EXPECT_THROW(check_devices("QEVM"), Error);
  EXPECT_THROW(check_devices(std::string(100, 'x')), Error);
}

}  // namespace
}  // namespace knaller::qemu
