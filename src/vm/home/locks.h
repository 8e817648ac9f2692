// How commands take the locks of the home's entries: patiently, and with a note to the user.
#ifndef KNALLER_VM_HOME_LOCKS_H_
#define KNALLER_VM_HOME_LOCKS_H_

#include <chrono>
#include <functional>
#include <string>

#include "store/home.h"
#include "vm/home/context.h"

namespace knaller::vm {

// How long a command waits for another that works on the same VM or snapshot, before it says busy.
inline constexpr std::chrono::seconds kLockPatience{15};

// Tells the user, once, for whom the command waits.
std::function<void(const std::string&)> waiting_note(const Context& context, const std::string& what);

// kBusy, naming the holder, when the deadline passes first.
store::EntryLock lock_entry(const Context& context, store::Kind kind, const std::string& name,
                            const std::string& verb, const Deadline& deadline);
// With kLockPatience.
store::EntryLock lock_entry(const Context& context, store::Kind kind, const std::string& name,
                            const std::string& verb, std::stop_token stop);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_LOCKS_H_
