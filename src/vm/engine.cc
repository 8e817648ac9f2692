#include "vm/engine.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "store/cpu.h"
#include "vm/host_facts.h"

namespace knaller::vm {
namespace {

bool processor_can_virtualise() {
  const store::CpuIdentity cpu = store::host_cpu();
  return store::has_feature(cpu, "vmx") || store::has_feature(cpu, "svm");
}

Engine make_engine(const Context& context, std::string binary, std::string reason, const Deadline& deadline) {
  const EngineFacts facts = engine_facts(context, binary, deadline);
  return {.kind = facts.kind,
          .binary = std::move(binary),
          .version = firecracker::parse_version(facts.version),
          .state_version = facts.state_version,
          .qemu_version = facts.qemu_version,
          .reason = std::move(reason)};
}

std::string absolute(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) fail_errno("find the engine '{}'", path);
  std::string result(resolved);
  ::free(resolved);
  return result;
}

std::string find_firecracker(const EngineChoice& choice) {
  const std::string found = find_program(choice.path.empty() ? "firecracker" : choice.path);
  return found.empty() ? found : absolute(found);
}

Engine qemu_engine(const Context& context, const EngineChoice& choice, std::string reason,
                   const Deadline& deadline) {
  const std::string wanted = choice.path.empty() ? context.program("knaller-qemu") : choice.path;
  const std::string binary = find_program(wanted);
  if (binary.empty())
    throw Error(Code::kNotFound, fmt::format("there is no engine '{}'", wanted),
                "install knaller completely");
  // It looks in the jail, which shows it the host's /usr, whatever PATH is here.
  if (find_program("qemu-system-x86_64").empty() && find_program("/usr/bin/qemu-system-x86_64").empty())
    throw Error(Code::kNotFound, "there is no 'qemu-system-x86_64' to run the VM on",
                "sudo apt install qemu-system-x86   # or choose --engine firecracker");
  return make_engine(context, absolute(binary), std::move(reason), deadline);
}

}  // namespace

std::string_view kind_name(EngineKind kind) {
  switch (kind) {
    case EngineKind::kAuto:
      return "auto";
    case EngineKind::kFirecracker:
      return "firecracker";
    case EngineKind::kQemu:
      return "qemu";
  }
  return "auto";
}

KvmStatus probe_kvm() {
  const UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  const int saved_errno = errno;
  if (!kvm && saved_errno == ENOENT)
    return {false, "there is no /dev/kvm",
            processor_can_virtualise() ? "sudo modprobe kvm_intel || sudo modprobe kvm_amd" : ""};
  if (!kvm && saved_errno == EACCES)
    return {false, "/dev/kvm may not be opened by this user",
            "sudo usermod -aG kvm $USER   # then log in again"};
  if (!kvm) return {false, errno_error(saved_errno, "open /dev/kvm").message(), ""};
  if (!processor_can_virtualise())
    return {false, "/dev/kvm opens, but the processor shows neither vmx nor svm: guests would hang", ""};
  return {true, "/dev/kvm opens and the processor can run guests", ""};
}

Engine choose_engine(const Context& context, const EngineChoice& choice, const Deadline& deadline) {
  if (choice.kind == EngineKind::kQemu) return qemu_engine(context, choice, "asked for", deadline);

  const bool named = choice.kind == EngineKind::kFirecracker || !choice.path.empty();
  const std::string binary = find_firecracker(choice);
  if (named && binary.empty())
    throw Error(Code::kNotFound,
                choice.path.empty() ? "there is no 'firecracker' on PATH"
                                    : fmt::format("there is no engine '{}'", choice.path),
                "install Firecracker (https://github.com/firecracker-microvm/firecracker/releases), or "
                "choose --engine qemu");
  if (named) return make_engine(context, binary, "asked for", deadline);

  if (binary.empty()) return qemu_engine(context, {}, "there is no 'firecracker' on PATH", deadline);
  const KvmStatus kvm = probe_kvm();
  if (!kvm.usable) return qemu_engine(context, {}, kvm.reason, deadline);
  return make_engine(context, binary, kvm.reason, deadline);
}

}  // namespace knaller::vm
