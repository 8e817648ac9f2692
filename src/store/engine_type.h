// Which kind of engine a VM runs on, or a saved state is from. What somebody asks for is something else: the
// public EngineKind, which may leave the choice open.
#ifndef KNALLER_STORE_ENGINE_TYPE_H_
#define KNALLER_STORE_ENGINE_TYPE_H_

#include <iterator>
#include <string>
#include <string_view>

namespace knaller::store {

enum class EngineType { kFirecracker, kQemu };

// As records and the command line have it: "firecracker".
constexpr std::string_view to_text(EngineType type) {
  switch (type) {
    case EngineType::kFirecracker:
      return "firecracker";
    case EngineType::kQemu:
      return "qemu";
  }
  return {};
}

// In the order in which they are preferred where the choice is open.
inline constexpr EngineType kEngineTypes[] = {EngineType::kFirecracker, EngineType::kQemu};
static_assert(to_text(static_cast<EngineType>(std::size(kEngineTypes))).empty(), "a type is missing above");

// kUnsupported for a text that is none of these: a newer knaller may know more. `what` has the text.
EngineType engine_type_from_text(std::string_view text, const std::string& what);

}  // namespace knaller::store

#endif  // KNALLER_STORE_ENGINE_TYPE_H_
