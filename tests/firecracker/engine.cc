#include "engine.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace knaller::test {
namespace {

constexpr size_t kReadLimit = 64 << 20;
constexpr uint64_t kKernelAddress = 16 << 20;

Child spawn_engine(const std::string& binary, const EngineFolder& folder,
                   const std::vector<std::string>& arguments) {
  const UniqueFd console = open_at(folder.fd(), "console", O_WRONLY | O_CREAT | O_APPEND);
  SpawnOptions options;
  options.argv = {binary, "--api-sock", "api.sock"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.working_directory = folder.path();
  options.stdout_fd = console.get();
  options.stderr_fd = console.get();
  return spawn(options);
}

}  // namespace

void EngineFolder::write(const std::string& name, const std::string& content) const {
  const UniqueFd file = open_at(fd(), name, O_WRONLY | O_CREAT | O_TRUNC);
  write_all(file.get(), content, name);
}

void EngineFolder::make_sparse(const std::string& name, uint64_t bytes) const {
  const UniqueFd file = open_at(fd(), name, O_WRONLY | O_CREAT | O_TRUNC);
  if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) fail_errno("make '{}'", name);
}

std::string EngineFolder::read(const std::string& name) const {
  return read_file(fd(), name, kReadLimit);
}

Deadline patience() {
  return Deadline::after(std::chrono::seconds(30));
}

Engine::Engine(const std::string& binary, const EngineFolder& folder,
               const std::vector<std::string>& arguments)
    : folder_(folder), child_(spawn_engine(binary, folder, arguments)), client_(folder.fd(), "api.sock") {
  client_.wait_until_listening(patience(), child_.pidfd());
}

std::string tiny_kernel() {
  constexpr std::string_view kCode("\xfa\xf4\xeb\xfd", 4);  // cli; again: hlt; jmp again
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = kKernelAddress;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment = {};
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R | PF_X;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_vaddr = kKernelAddress;
  segment.p_paddr = kKernelAddress;
  segment.p_filesz = kCode.size();
  segment.p_memsz = kCode.size();
  std::string file(reinterpret_cast<const char*>(&header), sizeof header);
  file.append(reinterpret_cast<const char*>(&segment), sizeof segment);
  return file.append(kCode);
}

}  // namespace knaller::test
