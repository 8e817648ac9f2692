#include "qemu/shim_image.h"

#include <cstddef>

asm(".section .rodata\n"
    ".balign 16\n"
    ".global knaller_qemu_shim_begin\n"
    ".hidden knaller_qemu_shim_begin\n"
    "knaller_qemu_shim_begin:\n"
    ".incbin \"" KNALLER_QEMU_SHIM
    "\"\n"
    ".global knaller_qemu_shim_end\n"
    ".hidden knaller_qemu_shim_end\n"
    "knaller_qemu_shim_end:\n"
    ".byte 0\n"
    ".previous\n");

// NOLINTBEGIN(readability-identifier-naming): as the assembler knows them
extern "C" {
extern const char knaller_qemu_shim_begin[];
extern const char knaller_qemu_shim_end[];
}
// NOLINTEND(readability-identifier-naming)

namespace knaller::qemu {

std::string_view shim_image() {
  return {knaller_qemu_shim_begin, static_cast<size_t>(knaller_qemu_shim_end - knaller_qemu_shim_begin)};
}

}  // namespace knaller::qemu
