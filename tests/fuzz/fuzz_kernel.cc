#include "image/kernel.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace knaller;  // NOLINT
  fuzz::refuses_well([&] {
    const std::string kernel = image::extract_vmlinux(fuzz::text_of(data, size), "the kernel");
    image::version_of_vmlinux(kernel);
  });
  return 0;
}
