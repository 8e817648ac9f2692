#include "base/libarchive.h"

namespace knaller {
namespace {

LibArchive open_libarchive() {
  const Library library("libarchive.so.13", "libarchive13");
  LibArchive found;
#define KNALLER_FIND(name) library.find(#name, found.name);
  KNALLER_LIBARCHIVE_FUNCTIONS(KNALLER_FIND)
#undef KNALLER_FIND
  return found;
}

}  // namespace

const LibArchive& libarchive() {
  static const LibArchive library = open_libarchive();
  return library;
}

}  // namespace knaller
