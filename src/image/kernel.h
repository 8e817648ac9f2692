// Kernels: an ELF vmlinux, which every Firecracker boots, out of whatever a distribution packs it into.
//
// The pure part takes bytes from anywhere: lengths and offsets in them are claims to be checked.
#ifndef KNALLER_IMAGE_KERNEL_H_
#define KNALLER_IMAGE_KERNEL_H_

#include <string>
#include <string_view>

namespace knaller::image {

// The vmlinux in a bzImage; an ELF file is given back as it is. kInvalidArgument for anything else, kCorrupt
// for a damaged bzImage, kUnsupported for one from before 2008 and for a compression that knaller has no
// library for (bzip2, lzma, lzo).
std::string extract_vmlinux(std::string_view kernel, std::string_view what);

// "6.1.0-56-cloud-amd64" out of the text that every vmlinux holds ("Linux version …"); empty when there is
// none.
std::string version_of_vmlinux(std::string_view vmlinux);

// QEMU boots an ELF kernel by its PVH note. kInvalidArgument for one without.
void require_pvh(int vmlinux, std::string_view what);

// Writes the vmlinux of the kernel file `from` into the empty file `to`, and returns its version. Checks the
// result as disk::check_kernel does. Not fsync'd.
std::string copy_kernel(int from, int to, std::string_view what);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_KERNEL_H_
