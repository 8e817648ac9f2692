// What this machine can do for knaller, and the command that fixes what it can't.
#ifndef KNALLER_VM_DOCTOR_H_
#define KNALLER_VM_DOCTOR_H_

#include <string>
#include <vector>

#include "base/error.h"
#include "vm/home/context.h"

namespace knaller::vm {

// None of these throws for what it finds: a check that fails is a row. They start no VM, and change nothing
// that a start would not change.
std::vector<CheckRow> check_host(const std::string& libexec, const std::string& pasta);
// The home, and what depends on it; `engine` is what VMs are to run on.
std::vector<CheckRow> check_what_is_there(const Context& context, const EngineChoice& engine);
// In place of those, when the home could not be opened.
CheckRow home_unusable(const Error& error);

// A shell's command that gives this program a profile with which AppArmor (Ubuntu, from 24.04 on) lets it
// make user namespaces. Pure.
std::string apparmor_remedy(const std::string& monitor);

}  // namespace knaller::vm

#endif  // KNALLER_VM_DOCTOR_H_
