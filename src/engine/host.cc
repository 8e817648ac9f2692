#include "engine/host.h"

#include <fcntl.h>

#include <cerrno>

#include "base/error.h"
#include "base/fd.h"
#include "engine/check_row.h"
#include "store/cpu.h"

namespace knaller::engine {
namespace {

bool processor_can_virtualise() {
  const store::CpuIdentity cpu = store::host_cpu();
  return store::has_feature(cpu, "vmx") || store::has_feature(cpu, "svm");
}

}  // namespace

KvmStatus probe_kvm() {
  const UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  const int saved_errno = errno;
  if (!kvm && saved_errno == ENOENT)
    return {false, "there is no /dev/kvm",
            processor_can_virtualise() ? "sudo modprobe kvm_intel || sudo modprobe kvm_amd" : ""};
  if (!kvm && saved_errno == EACCES)
    return {false, "/dev/kvm may not be opened by this user",
            "sudo usermod -aG kvm $USER   # then log in again"};
  if (!kvm) return {false, errno_error(saved_errno, "open /dev/kvm").message(), ""};
  if (!processor_can_virtualise())
    return {false, "/dev/kvm opens, but the processor shows neither vmx nor svm: guests would hang", ""};
  return {true, "/dev/kvm opens and the processor can run guests", ""};
}

CheckRow kvm_row(const KvmStatus& kvm) {
  if (kvm.usable) return passed("KVM", kvm.reason);
  return doubtful("KVM", kvm.reason + "; VMs run on QEMU's emulation, slower", kvm.remedy);
}

}  // namespace knaller::engine
