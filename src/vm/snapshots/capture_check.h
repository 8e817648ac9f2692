// Whether the memory of an engine's guests can be read from outside, found out on a scratch VM before a
// user's VM is paused for it, and remembered in the home: once for each engine binary and host kernel.
//
// The scratch VM runs a few instructions that keep writing to its memory. It is captured both ways while it
// stands still, once after a boot and once after a restore; the two must agree to the bit.
#ifndef KNALLER_VM_SNAPSHOTS_CAPTURE_CHECK_H_
#define KNALLER_VM_SNAPSHOTS_CAPTURE_CHECK_H_

#include <optional>
#include <stop_token>
#include <string>

#include "store/vm_record.h"
#include "vm/home/context.h"

namespace knaller::vm {

// Empty: it works.
struct CaptureCheck {
  std::string why_not_booted;
  std::string why_not_restored;
};

// What is remembered of this engine on this kernel; nothing when it was not tried yet.
std::optional<CaptureCheck> remembered_capture_check(const Context& context, const std::string& binary);

// Why the memory of a VM like this one can't be read from outside; empty when it can. Tries it, in a second
// or so, when nothing is remembered. What keeps it from being tried is an answer, too, which is not
// remembered; only kCancelled is thrown.
std::string why_not_outside(const Context& context, const store::VmRecord& record, std::stop_token stop);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_CAPTURE_CHECK_H_
