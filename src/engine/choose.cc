#include "engine/choose.h"

#include "base/error.h"

namespace knaller::engine {
namespace {

Choice first_that_fits(const Host& host) {
  std::string reason;
  for (const EngineFamily* family : all_families()) {
    const Fitness fitness = family->fitness(host);
    // The last resort has no reason of its own: why no other one fits is its reason.
    if (!fitness.reason.empty()) reason = fitness.reason;
    if (fitness.fits) return {family->find(host, {}), reason};
  }
  fail(Code::kUnsupported, "no engine runs on this host: {}", reason);
}

}  // namespace

Choice choose(const EngineChoice& asked, const Host& host) {
  const auto named = [&](store::EngineType type) {
    return Choice{family_of(type).find(host, asked.path), "asked for"};
  };
  switch (asked.kind) {
    case EngineKind::kFirecracker:
      return named(store::EngineType::kFirecracker);
    case EngineKind::kQemu:
      return named(store::EngineType::kQemu);
    case EngineKind::kAuto:
      // A path is taken for what most are; the program says what it is.
      return asked.path.empty() ? first_that_fits(host) : named(store::EngineType::kFirecracker);
  }
  fail(Code::kInternal, "engine kind {} does not exist", static_cast<int>(asked.kind));
}

EngineKind kind_of(store::EngineType type) {
  switch (type) {
    case store::EngineType::kFirecracker:
      return EngineKind::kFirecracker;
    case store::EngineType::kQemu:
      return EngineKind::kQemu;
  }
  fail(Code::kInternal, "engine type {} does not exist", static_cast<int>(type));
}

EngineChoice asked_for_state(EngineChoice asked, store::EngineType type, const Host& host) {
  const bool open = asked.kind == EngineKind::kAuto && asked.path.empty();
  if (open && family_of(type).fitness(host).fits) asked.kind = kind_of(type);
  return asked;
}

}  // namespace knaller::engine
