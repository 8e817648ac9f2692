#include "engine/engine_family.h"

#include "base/error.h"
#include "engine/firecracker_family.h"
#include "engine/qemu_family.h"

namespace knaller::engine {

const EngineFamily& family_of(store::EngineType type) {
  switch (type) {
    case store::EngineType::kFirecracker:
      return firecracker_family();
    case store::EngineType::kQemu:
      return qemu_family();
  }
  fail(Code::kInternal, "engine type {} does not exist", static_cast<int>(type));
}

std::array<const EngineFamily*, std::size(store::kEngineTypes)> all_families() {
  std::array<const EngineFamily*, std::size(store::kEngineTypes)> families = {};
  for (size_t i = 0; i < families.size(); ++i) families[i] = &family_of(store::kEngineTypes[i]);
  return families;
}

const EngineFamily& family_that_said(std::string_view said) {
  for (const EngineFamily* family : all_families())
    if (said.starts_with(family->calls_itself())) return *family;
  return firecracker_family();
}

}  // namespace knaller::engine
