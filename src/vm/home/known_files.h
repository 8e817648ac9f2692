// Files that come from images, found again by their content: base disks, kernels, initramfs.
#ifndef KNALLER_VM_HOME_KNOWN_FILES_H_
#define KNALLER_VM_HOME_KNOWN_FILES_H_

#include "store/manifest.h"
#include "vm/home/context.h"

namespace knaller::vm {

// Links (or copies) a file of that name and content, which some image, snapshot or VM of this home has, into
// `directory`. All of it is read and compared first. False when there is none.
bool link_known_file(const Context& context, const store::ManifestFile& wanted, int directory,
                     const Deadline& deadline);

}  // namespace knaller::vm

#endif  // KNALLER_VM_HOME_KNOWN_FILES_H_
