#include "base/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/error.h"
#include "base/test_folder.h"

namespace knaller {
namespace {

TEST(LibraryTest, GivesItsFunctions) {
  const Library library("libz.so.1", "zlib1g");
  decltype(&::zlibVersion) version = nullptr;
  library.find("zlibVersion", version);
  EXPECT_STREQ(version(), ZLIB_VERSION);
}

TEST(LibraryTest, SaysWhatToInstallWhenItIsNotThere) {
  try {
    const Library library("libnothing.so.7", "libnothing7");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_THAT(error.message(), testing::HasSubstr("libnothing.so.7"));
    EXPECT_EQ(error.hint(), "install it with: sudo apt install libnothing7");
  }
}

TEST(LibraryTest, SaysWhichFunctionItLacks) {
  const Library library("libz.so.1", "zlib1g");
  decltype(&::zlibVersion) version = nullptr;
  EXPECT_EQ(code_thrown_by([&] { library.find("zlib_wings", version); }), Code::kUnsupported);
}

}  // namespace
}  // namespace knaller
