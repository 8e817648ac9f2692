#include "portable/layout.h"
#include "store/manifest.h"
#include "store/sha256.h"
#include "target.h"

namespace {

using namespace knaller;  // NOLINT

void try_text(std::string_view text) {
  store::Manifest manifest;
  if (!fuzz::refuses_well([&] { manifest = store::parse_manifest(text); })) return;
  fuzz::require(store::to_text(manifest) == text, "what was read is written otherwise");
  fuzz::refuses_well([&] { portable::parse_left_out("vmlinux\nbase.ext4\n", manifest); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  try_text(text);
  // Its own digest would refuse every changed one.
  const std::string body(text.substr(0, text.rfind("end ")));
  try_text(body + "end " + store::sha256_hex(body) + "\n");
  return 0;
}
