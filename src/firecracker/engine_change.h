// What a request changes in a VM's setup before the start, and Firecracker's words where it may not. Opens
// files to look at them, keeps none. Include in .cc files only.
#ifndef KNALLER_FIRECRACKER_ENGINE_CHANGE_H_
#define KNALLER_FIRECRACKER_ENGINE_CHANGE_H_

#include <string>

#include "firecracker/engine_api.h"
#include "firecracker/engine_routes.h"

namespace knaller::firecracker {

// For machine-config, boot-source, drives, network-interfaces, vsock, balloon and entropy. Throws the
// fault_message.
void change_setup(const Call& call, VmSetup& setup);

// An ELF file or a bzImage, by its magic bytes.
void check_kernel(const std::string& path);

}  // namespace knaller::firecracker

#endif  // KNALLER_FIRECRACKER_ENGINE_CHANGE_H_
