// A host that a test makes up: what it has, and whether KVM runs guests.
#ifndef KNALLER_ENGINE_TEST_HOST_H_
#define KNALLER_ENGINE_TEST_HOST_H_

#include <map>
#include <string>

#include "engine/host.h"

namespace knaller::engine {

inline constexpr char kLibexec[] = "/opt/libexec";

// `programs`: what is asked for, and where it is found.
inline Host host_with(std::map<std::string, std::string> programs, bool kvm) {
  return {
      .libexec = kLibexec,
      .find =
          [programs = std::move(programs)](const std::string& name) {
            const auto found = programs.find(name);
            return found == programs.end() ? std::string() : found->second;
          },
      .kvm =
          [kvm] {
            return kvm ? KvmStatus{true, "KVM runs guests", ""} : KvmStatus{false, "KVM does not", "mend it"};
          }};
}

inline std::map<std::string, std::string> firecracker_only() {
  return {{"firecracker", "/usr/bin/firecracker"}};
}
inline std::map<std::string, std::string> qemu_only() {
  return {{"/opt/libexec/knaller-qemu", "/opt/libexec/knaller-qemu"},
          {"qemu-system-x86_64", "/usr/bin/qemu-system-x86_64"}};
}
inline std::map<std::string, std::string> both() {
  auto programs = qemu_only();
  programs.merge(firecracker_only());
  return programs;
}

}  // namespace knaller::engine

#endif  // KNALLER_ENGINE_TEST_HOST_H_
