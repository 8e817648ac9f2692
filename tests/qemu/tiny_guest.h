// For tests: the smallest guest that lives. No operating system, boots in no time.
#ifndef KNALLER_TESTS_QEMU_TINY_GUEST_H_
#define KNALLER_TESTS_QEMU_TINY_GUEST_H_

#include <string>

namespace knaller::test {

// An ELF kernel, entered by its PVH note, that writes the alphabet to the serial port for ever, and resets
// when the delete key arrives.
std::string counting_kernel();

}  // namespace knaller::test

#endif  // KNALLER_TESTS_QEMU_TINY_GUEST_H_
