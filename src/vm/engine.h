// Which engine runs a VM: Firecracker where its binary is found and KVM can run a guest, else knaller-qemu.
#ifndef KNALLER_VM_ENGINE_H_
#define KNALLER_VM_ENGINE_H_

#include <string>

#include "base/deadline.h"
#include "firecracker/version.h"
#include "knaller/types.h"
#include "vm/context.h"

namespace knaller::vm {

struct KvmStatus {
  bool usable = false;
  std::string reason;  // why, either way
  std::string remedy;  // the command that mends it, if there is one
};
// /dev/kvm opens read-write, and the processor shows vmx or svm: some hosts have a /dev/kvm on which guests
// hang.
KvmStatus probe_kvm();

struct Engine {
  std::string kind;  // "firecracker" or "qemu"
  std::string binary;
  firecracker::Version version;
  std::string state_version;  // as EngineFacts has them
  std::string qemu_version;
  std::string reason;  // why this one was chosen
};

std::string_view kind_name(EngineKind kind);

// Throws kNotFound when a binary is missing, kUnsupported for a Firecracker older than 1.7.
Engine choose_engine(const Context& context, const EngineChoice& choice, const Deadline& deadline);

}  // namespace knaller::vm

#endif  // KNALLER_VM_ENGINE_H_
