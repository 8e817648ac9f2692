#include "base/libcrypto.h"

namespace knaller {
namespace {

LibCrypto open_libcrypto() {
  const Library library("libcrypto.so.3", "libssl3");
  LibCrypto found;
#define KNALLER_FIND(name) library.find(#name, found.name);
  KNALLER_LIBCRYPTO_FUNCTIONS(KNALLER_FIND)
#undef KNALLER_FIND
  return found;
}

}  // namespace

const LibCrypto& libcrypto() {
  static const LibCrypto library = open_libcrypto();
  return library;
}

}  // namespace knaller
