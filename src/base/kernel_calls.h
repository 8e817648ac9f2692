// The newer system calls that knaller can't do without. An older kernel lacks some of them, and a container's
// filter may refuse them as such a kernel does.
#ifndef KNALLER_BASE_KERNEL_CALLS_H_
#define KNALLER_BASE_KERNEL_CALLS_H_

#include <string>
#include <string_view>
#include <vector>

namespace knaller {

struct KernelCall {
  std::string_view name;   // "openat2"
  std::string_view since;  // "5.6", of Linux
};

// Those that this kernel does not have. Asks the kernel, with calls that change nothing: microseconds.
std::vector<KernelCall> missing_kernel_calls();
// "openat2 (Linux 5.6), clone3 (Linux 5.3)"
std::string describe(const std::vector<KernelCall>& calls);
// kUnsupported, naming what is missing.
void require_kernel_calls();

// The same of what only knaller-qemu can't do without: guests' memory is a memfd there.
std::vector<KernelCall> kernel_calls_missing_for_qemu();
void require_kernel_calls_of_qemu();

}  // namespace knaller

#endif  // KNALLER_BASE_KERNEL_CALLS_H_
