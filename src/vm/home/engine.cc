#include "vm/home/engine.h"

#include <cstdlib>

#include "base/error.h"
#include "engine/choose.h"
#include "vm/home/host_facts.h"

namespace knaller::vm {
namespace {

std::string absolute(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) fail_errno("find the engine '{}'", path);
  std::string result(resolved);
  ::free(resolved);
  return result;
}

}  // namespace

engine::Host host_of(const Context& context) {
  return {.libexec = context.libexec};
}

Engine choose_engine(const Context& context, const EngineChoice& choice, const Deadline& deadline) {
  const engine::Choice chosen = engine::choose(choice, host_of(context));
  const std::string binary = absolute(chosen.binary);
  return {engine_facts(context, binary, deadline), binary, chosen.reason};
}

}  // namespace knaller::vm
