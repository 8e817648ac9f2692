#include "qemu/call_list.h"

#include <linux/filter.h>

#include <iterator>

namespace knaller::qemu {
namespace {

#include "qemu_call_list.inc"

}  // namespace

const sock_fprog& qemu_call_list() {
  static const sock_fprog list = {static_cast<unsigned short>(std::size(kQemuSteps)),
                                  const_cast<sock_filter*>(kQemuSteps)};  // the kernel only reads it
  return list;
}

}  // namespace knaller::qemu
