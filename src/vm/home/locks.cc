#include "vm/home/locks.h"

#include "base/error.h"

namespace knaller::vm {
namespace {

std::string described(store::Kind kind, const std::string& name) {
  switch (kind) {
    case store::Kind::kVm:
      return fmt::format("VM '{}'", name);
    case store::Kind::kSnapshot:
      return fmt::format("snapshot {}", name);
    case store::Kind::kImage:
      return fmt::format("image '{}'", name);
  }
  fail(Code::kInternal, "no word for kind {}", static_cast<int>(kind));
}

}  // namespace

std::function<void(const std::string&)> waiting_note(const Context& context, const std::string& what) {
  return [&context, what](const std::string& holder) {
    context.note(fmt::format("waiting for {}, which is in use by {}", what, holder));
  };
}

store::EntryLock lock_entry(const Context& context, store::Kind kind, const std::string& name,
                            const std::string& verb, const Deadline& deadline) {
  return context.home.lock(kind, name, verb, deadline, waiting_note(context, described(kind, name)));
}

store::EntryLock lock_entry(const Context& context, store::Kind kind, const std::string& name,
                            const std::string& verb, std::stop_token stop) {
  return lock_entry(context, kind, name, verb, Deadline::after(kLockPatience, std::move(stop)));
}

}  // namespace knaller::vm
