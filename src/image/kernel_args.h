// The kernel command line of a guest. Pure.
#ifndef KNALLER_IMAGE_KERNEL_ARGS_H_
#define KNALLER_IMAGE_KERNEL_ARGS_H_

#include <optional>
#include <string>

namespace knaller::image {

struct GuestNetwork {
  std::string address = {};  // "10.255.254.2"
  int prefix = 0;
  std::string gateway = {};
  std::string dns = {};
};

struct KernelArgs {
  bool overlay = false;  // the image has a base, and a private disk as second drive
  std::optional<GuestNetwork> network = {};
  std::string hostname = {};    // as the guest's helper takes it; an empty one is left out
  std::string public_key = {};  // a line of authorized_keys, "ssh-ed25519 AAAA… comment"; empty: none
  std::string extra = {};       // the user's own, at the end, so that they win
};

// Without root=, which the engine adds for its root drive. kInvalidArgument for a key that is not an ed25519
// key, for an extra that holds a control character, and for more than the 2048 bytes that the kernel takes.
std::string kernel_arguments(const KernelArgs& args);

}  // namespace knaller::image

#endif  // KNALLER_IMAGE_KERNEL_ARGS_H_
