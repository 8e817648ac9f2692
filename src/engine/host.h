// What engines find on this host: programs, and whether KVM can run a guest. A value of functions, so that a
// test gives a host of its own.
#ifndef KNALLER_ENGINE_HOST_H_
#define KNALLER_ENGINE_HOST_H_

#include <functional>
#include <string>

#include "base/process.h"
#include "knaller/types.h"

namespace knaller::engine {

struct KvmStatus {
  bool usable = false;
  std::string reason;  // why, either way
  std::string remedy;  // the command that fixes it, if there is one
};
// /dev/kvm opens read-write, and the processor shows vmx or svm: some hosts have a /dev/kvm on which guests
// hang.
KvmStatus probe_kvm();
CheckRow kvm_row(const KvmStatus& kvm);

struct Host {
  std::string libexec;  // where knaller's own programs are
  // As base's find_program() does; empty when there is none.
  std::function<std::string(const std::string& program)> find = find_program;
  std::function<KvmStatus()> kvm = probe_kvm;
};

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_HOST_H_
