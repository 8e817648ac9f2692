// What all targets share. A target may throw nothing but knaller::Error, and that only of the codes with
// which something from outside is refused.
#ifndef KNALLER_TESTS_FUZZ_TARGET_H_
#define KNALLER_TESTS_FUZZ_TARGET_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace knaller::fuzz {

inline void require(bool fine, const char* what) {
  if (fine) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

// Whether `body` came to its end.
template <typename Body>
bool refuses_well(Body&& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    switch (error.code()) {
      case Code::kCorrupt:
      case Code::kUnsupported:
      case Code::kInvalidArgument:
        break;
      default:
        require(false, error.what());
    }
    return false;
  }
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace knaller::fuzz

#endif  // KNALLER_TESTS_FUZZ_TARGET_H_
