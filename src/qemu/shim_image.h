// The library made from shim_*.c, carried inside knaller-qemu: a jail then needs no further file.
#ifndef KNALLER_QEMU_SHIM_IMAGE_H_
#define KNALLER_QEMU_SHIM_IMAGE_H_

#include <string_view>

namespace knaller::qemu {

std::string_view shim_image();

}  // namespace knaller::qemu

#endif  // KNALLER_QEMU_SHIM_IMAGE_H_
