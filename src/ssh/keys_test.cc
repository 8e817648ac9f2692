#include "ssh/keys.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/test_folder.h"

namespace knaller::ssh {
namespace {

TEST(Keys, AreOpenSshsOwnForm) {
  const auto pair = make_ed25519_key("knaller web");
  EXPECT_TRUE(pair.public_line.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5")) << pair.public_line;
  EXPECT_TRUE(pair.public_line.ends_with(" knaller web"));
  EXPECT_NE(make_ed25519_key("x").private_key, pair.private_key);
  EXPECT_EQ(public_key_base64("ssh-ed25519 AAAA me\n"), "AAAA");
  EXPECT_EQ(code_thrown_by([] { public_key_base64("AAAA"); }), Code::kCorrupt);
  EXPECT_EQ(code_thrown_by([] { make_ed25519_key("two\nlines"); }), Code::kInvalidArgument);

  if (find_program("ssh-keygen").empty()) GTEST_SKIP() << "ssh-keygen is not installed";
  const TestFolder folder;
  write_file_atomically(folder.fd(), "key", pair.private_key);
  SpawnOptions options;
  options.argv = {"ssh-keygen", "-y", "-P", "", "-f", folder.path("key")};
  options.search_path = true;
  const auto shown = run_checked(options, Deadline::after(std::chrono::seconds(20)));
  EXPECT_TRUE(pair.public_line.starts_with(shown.substr(0, shown.find_last_not_of('\n') + 1).substr(0, 80)))
      << shown;
}

}  // namespace
}  // namespace knaller::ssh
