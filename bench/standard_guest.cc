#include "standard_guest.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/random.h>

#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "firecracker/test_kernel.h"

namespace knaller::bench {
namespace {

constexpr uint64_t kRandomBytes = 128 << 20;

// A kernel that halts at once, whose one segment is mostly random bytes: so they are in the guest's memory
// even where guests do not get far.
std::string kernel_with_random_bytes() {
  std::string kernel = firecracker::tiny_kernel();
  const size_t code_end = kernel.size();
  auto* segment = reinterpret_cast<Elf64_Phdr*>(kernel.data() + sizeof(Elf64_Ehdr));
  segment->p_filesz += kRandomBytes;
  segment->p_memsz += kRandomBytes;
  kernel.resize(code_end + kRandomBytes);
  for (size_t done = code_end; done < kernel.size();) {
    const ssize_t got = ::getrandom(kernel.data() + done, kernel.size() - done, 0);
    if (got < 0) throw errno_error(errno, "get random bytes");
    done += static_cast<size_t>(got);
  }
  return kernel;
}

}  // namespace

StandardGuest make_standard_guest(const Setting& setting) {
  StandardGuest guest{.kernel = setting.scratch + "/vmlinux", .rootfs = setting.scratch + "/rootfs.ext4"};
  write_file_atomically(AT_FDCWD, guest.kernel, kernel_with_random_bytes(), Durability::kNoSync);
  const UniqueFd disk = open_at(AT_FDCWD, guest.rootfs, O_RDWR | O_CREAT | O_TRUNC);
  std::filesystem::resize_file(guest.rootfs, 8 << 20);
  run_checked({.argv = {"mke2fs", "-q", "-F", "-t", "ext4", guest.rootfs}, .search_path = true},
              Deadline::after(std::chrono::seconds(30)));
  return guest;
}

VmOptions StandardGuest::vm(const std::string& name, const Engine& engine, NetworkMode network) const {
  VmOptions options;
  options.name = name;
  options.kernel = kernel;
  options.rootfs = rootfs;
  options.memory_mib = kMemoryMib;
  options.network = network;
  options.engine = engine.choice;
  return options;
}

}  // namespace knaller::bench
