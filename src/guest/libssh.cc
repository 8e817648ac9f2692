#include "guest/libssh.h"

namespace knaller {
namespace {

LibSsh open_libssh() {
  const Library library("libssh.so.4", "libssh-4");
  LibSsh found;
#define KNALLER_FIND(name) library.find(#name, found.name);
  KNALLER_LIBSSH_FUNCTIONS(KNALLER_FIND)
#undef KNALLER_FIND
  return found;
}

}  // namespace

const LibSsh& libssh() {
  static const LibSsh library = open_libssh();
  return library;
}

}  // namespace knaller
