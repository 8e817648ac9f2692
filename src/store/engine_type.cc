#include "store/engine_type.h"

#include "base/error.h"
#include "base/text.h"

namespace knaller::store {

std::string_view to_text(EngineType type) {
  switch (type) {
    case EngineType::kFirecracker:
      return "firecracker";
    case EngineType::kQemu:
      return "qemu";
  }
  return {};
}

EngineType engine_type_from_text(std::string_view text, const std::string& what) {
  for (const EngineType type : kEngineTypes)
    if (to_text(type) == text) return type;
  throw Error(
      Code::kUnsupported,
      fmt::format("{}: '{}' is not an engine that this knaller knows", what, printable(text.substr(0, 80))),
      "use the newer knaller that wrote it, if one did");
}

}  // namespace knaller::store
