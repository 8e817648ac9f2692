// The standard guest on Firecracker: 512 MiB, of them 128 MiB random bytes, that are in its memory even where
// guests do not get far.
#pragma once

#include <string>

#include "vms.h"

namespace knaller::bench {

struct StandardGuest {
  std::string kernel;
  std::string rootfs;

  VmOptions vm(const std::string& name, const Engine& engine, NetworkMode network) const;
};

// Its files, in the scratch folder.
StandardGuest make_standard_guest(const Setting& setting);

}  // namespace knaller::bench
