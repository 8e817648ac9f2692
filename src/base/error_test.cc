#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>

namespace knaller {
namespace {

TEST(ErrorTest, EveryCodeHasANameOfItsOwn) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    const auto code = static_cast<Code>(i);
    EXPECT_EQ(code_from_string(to_string(code)), code) << to_string(code);
  }
  EXPECT_EQ(code_from_string("of a later version"), Code::kInternal);
}

TEST(ErrorTest, ContextsComeOutermostFirst) {
  Error error(Code::kIo, "no route");
  error.in("set up the network").in("start 'web'");
  EXPECT_STREQ(error.what(), "start 'web': set up the network: no route");
  EXPECT_EQ(error.contexts(), (std::vector<std::string>{"start 'web'", "set up the network"}));
  EXPECT_EQ(error.message(), "no route");
}

TEST(ErrorTest, ErrnoDecidesCodeAndHint) {
  const Error full = errno_error(ENOSPC, "write 'disk'");
  EXPECT_EQ(full.code(), Code::kExhausted);
  EXPECT_STREQ(full.what(), "cannot write 'disk': No space left on device");
  EXPECT_NE(full.hint(), "");
  EXPECT_EQ(errno_error(ENOENT, "x").code(), Code::kNotFound);
  EXPECT_EQ(errno_error(EACCES, "x").code(), Code::kPermission);
  EXPECT_EQ(errno_error(ECONNRESET, "x").code(), Code::kIo);
}

TEST(ErrorTest, FailErrnoReadsErrnoBeforeAnythingChangesIt) {
  try {
    errno = EEXIST;
    fail_errno("make '{}'", std::string(1000, 'x'));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kAlreadyExists);
    return;
  }
  FAIL() << "nothing was thrown";
}

TEST(ErrorTest, InContextAddsToErrorsAndReturnsValues) {
  EXPECT_EQ(in_context([] { return std::string("unused"); }, [] { return 7; }), 7);
  try {
    in_context([] { return std::string("outer"); }, [] { fail(Code::kBusy, "inner {}", 1); });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "outer: inner 1");
    EXPECT_EQ(error.code(), Code::kBusy);
  }
}

TEST(ErrorTest, ForeignExceptionsBecomeInternal) {
  const std::runtime_error foreign("oops");
  EXPECT_EQ(error_from(foreign).code(), Code::kInternal);
  EXPECT_EQ(error_from(foreign).message(), "oops");
  const Error own(Code::kBusy, "taken", "wait");
  EXPECT_EQ(error_from(own).hint(), "wait");
}

TEST(ErrorTest, WhatRunsOutIsToldAsThat) {
  const Error memory = error_from(std::bad_alloc());
  EXPECT_EQ(memory.code(), Code::kExhausted);
  EXPECT_EQ(memory.message(), "cannot get more memory");
  const std::system_error refused(EAGAIN, std::generic_category());
  EXPECT_EQ(error_from(refused).code(), Code::kExhausted);
  EXPECT_EQ(error_from(refused).message(), "cannot start a thread: Resource temporarily unavailable");
}

}  // namespace
}  // namespace knaller
