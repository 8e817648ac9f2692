#include "base/library.h"

#include <dlfcn.h>

#include <utility>

#include "base/error.h"

namespace knaller {

Library::Library(std::string file, const std::string& package)
    : file_(std::move(file)), handle_(::dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ != nullptr) return;
  throw Error(Code::kNotFound, fmt::format("cannot load {}: {}", file_, ::dlerror()),
              "install it with: sudo apt install " + package);
}

void* Library::address_of(const char* name) const {
  void* const address = ::dlsym(handle_, name);
  if (address == nullptr) fail(Code::kUnsupported, "{} has no function '{}'", file_, name);
  return address;
}

}  // namespace knaller
